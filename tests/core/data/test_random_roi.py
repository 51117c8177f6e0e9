import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from core.data.random_roi import (
    JUDGED,
    Placement,
    RandomPlacement,
    draw_placement,
    placed_square,
    placement_generator,
    random_square,
    shows_reflection,
)
from core.data.roi import reflected
from core.domain.geometry import Box

IMAGE = Box(x0=0, y0=0, x1=2000, y1=2600)


def _box(x: float, y: float, width: float, height: float) -> Box:
    return Box(x0=x, y0=y, x1=x + width, y1=y + height)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(10, 200), st.floats(10, 200))
def test_the_lesion_lies_within_the_limits(seed: int, width: float, height: float) -> None:
    lesion = _box(900, 1200, width, height)
    square = random_square(lesion, IMAGE, np.random.default_rng(seed))
    assert square.width == pytest.approx(square.height)
    share = max(width, height) / square.width
    assert JUDGED.smallest_lesion - 1e-9 <= share <= JUDGED.largest_lesion + 1e-9
    shift = (square.centre[0] - lesion.centre[0], square.centre[1] - lesion.centre[1])
    assert max(abs(s) for s in shift) <= JUDGED.largest_shift * square.width + 1e-6


def test_draws_fill_the_limits_evenly() -> None:
    random = np.random.default_rng(1)
    drawn = [draw_placement(random) for _ in range(4000)]
    x, y, share = (np.array([getattr(d, n) for d in drawn]) for n in ("shift_x", "shift_y", "lesion_share"))
    for values, low, high in ((x, -0.25, 0.25), (y, -0.25, 0.25), (share, 0.25, 0.6)):
        counts, _ = np.histogram(values, bins=10, range=(low, high))
        assert counts.sum() == 4000 and counts.min() > 320
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.05 and abs(np.corrcoef(x, share)[0, 1]) < 0.05


def test_shift_and_share_are_of_the_rois_side() -> None:
    square = placed_square(_box(100, 200, 30, 60), Placement(shift_x=0.1, shift_y=-0.2, lesion_share=0.5))
    assert square == Box(x0=115 + 12 - 60, y0=230 - 24 - 60, x1=115 + 12 + 60, y1=230 - 24 + 60)


def test_a_lesions_draw_does_not_depend_on_other_lesions() -> None:
    first = draw_placement(placement_generator("a", 3))
    assert draw_placement(placement_generator("a", 3)) == first
    others = [placement_generator("b", 3), placement_generator("a", 4), placement_generator("a", 3, draw=1)]
    assert all(draw_placement(other) != first for other in others)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 70), st.integers(0, 70), st.integers(-60, 90), st.integers(-60, 90), st.integers(20, 100))
def test_a_reflected_lesion_is_found_as_the_pixels_show_it(x: int, y: int, left: int, top: int, side: int) -> None:
    lesion, image, square = _box(x, y, 20, 30), Box(x0=0, y0=0, x1=100, y1=110), _box(left, top, side, side)
    drawn = np.zeros((110, 100), np.uint8)
    drawn[y : y + 30, x : x + 20] = 1
    rows, columns = np.arange(top, top + side), np.arange(left, left + side)
    seen = drawn[reflected(rows, 110)][:, reflected(columns, 100)]
    beyond = (rows < 0) | (rows >= 110)
    outside = beyond[:, None] | ((columns < 0) | (columns >= 100))[None, :]
    copies = int((seen.astype(bool) & outside).sum())
    # the edge pixel itself is not repeated, so that the two may differ by one row of pixels
    if copies > side:
        assert shows_reflection(square, lesion, image)
    elif copies == 0 and not _near(square, lesion, image):
        assert not shows_reflection(square, lesion, image)


def _near(square: Box, lesion: Box, image: Box) -> bool:
    return shows_reflection(square, lesion, image) != shows_reflection(square.grown(-2), lesion, image)


def test_a_square_without_room_falls_back_to_the_lesions_centre() -> None:
    lesion = _box(2, 2, 60, 60)
    square = random_square(lesion, Box(x0=0, y0=0, x1=64, y1=64), np.random.default_rng(2))
    assert square.centre == lesion.centre and square.width == pytest.approx(100)


def test_reversed_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="smallest"):
        draw_placement(np.random.default_rng(1), RandomPlacement(smallest_lesion=0.6, largest_lesion=0.3))
