import math

import numpy as np
import pytest

from core.data.importers.contours import band_width, fine_band, is_ellipse, outline_area, traced_outlines
from core.domain.geometry import Box
from core.domain.shapes import Length, Line, Polygon, Rectangle, circle
from core.imaging.raster import rasterise

STAR = Polygon(
    points=tuple(
        (60 + r * math.cos(a), 50 + r * math.sin(a))
        for a, r in ((math.pi * i / 12, 40 if i % 2 else 25) for i in range(24))
    )
)
ROUND = Polygon(points=tuple((60 + 30 * math.cos(a / 20), 50 + 17 * math.sin(a / 20)) for a in range(126)))


def _blurred(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask.astype(float) * 255, 1, mode="edge")
    return sum(padded[i : i + mask.shape[0], j : j + mask.shape[1]] for i in range(3) for j in range(3)) / 9


@pytest.mark.parametrize("soft", [False, True])
def test_a_traced_mask_gives_its_polygon_back(soft: bool) -> None:
    mask = rasterise([STAR], width=120, height=100)
    grey = _blurred(mask) if soft else mask * 255.0
    (traced,) = traced_outlines(grey)
    again = rasterise([traced], width=120, height=100)
    overlap = (mask & again).sum() / (mask | again).sum()
    assert overlap > (0.95 if soft else 0.995)
    assert np.argwhere(again).mean(axis=0) == pytest.approx(np.argwhere(mask).mean(axis=0), abs=0.1)


def test_regions_come_by_size_without_holes_and_specks() -> None:
    mask = np.zeros((100, 120), np.uint8)
    mask[10:30, 10:30] = 255
    mask[15:20, 15:20] = 0
    mask[40:90, 50:110] = 255
    mask[0, 119] = 255
    large, small = traced_outlines(mask)
    assert outline_area(large) == pytest.approx(3000, abs=6) and outline_area(small) == pytest.approx(400, abs=6)


def test_regions_that_touch_the_border_keep_it() -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :20] = 200
    (outline,) = traced_outlines(mask)
    assert np.array_equal(rasterise([outline], width=64, height=64), mask // 200)


def test_an_empty_mask_has_no_outline() -> None:
    assert traced_outlines(np.zeros((10, 10))) == ()


def test_a_band_follows_a_drawn_contour_all_the_way_round() -> None:
    (band,) = fine_band(STAR, Length(value=4, unit="px"))
    assert isinstance(band, Line) and band.points[0] == band.points[-1] and len(band.points) == 25
    mask = rasterise([band], width=120, height=100)
    assert all(mask[int(y), int(x)] for x, y in STAR.points)
    assert mask[50, 60] == 0


def test_figures_that_were_not_traced_get_no_band() -> None:
    for outline in (circle((5, 5), 3), Rectangle(box=Box(x0=0, y0=0, x1=2, y1=2)), ROUND):
        assert fine_band(outline, Length(value=4, unit="px")) == ()


def test_ellipses_are_told_from_contours() -> None:
    assert is_ellipse(ROUND) and not is_ellipse(STAR)
    assert not is_ellipse(Polygon(points=((0, 0), (9, 0), (9, 9), (0, 9))))
    assert not is_ellipse(Polygon(points=((0, 0), (9, 9), (4, 4))))


def test_the_band_grows_with_the_lesion() -> None:
    assert (
        band_width(STAR).value == pytest.approx(0.12 * 80 * math.cos(math.pi / 12), rel=1e-6)
        and band_width(STAR).unit == "px"
    )
    assert band_width(Polygon(points=((0, 0), (3, 0), (0, 3)))).value == 2
