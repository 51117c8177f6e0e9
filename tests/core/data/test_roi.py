import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from core.data.roi import (
    extract_pixels,
    image_to_input,
    image_to_stored,
    reflected,
    resample,
    roi_square,
    stored_square,
)
from core.data.roi_set import InputTransform
from core.domain.errors import StudyError
from core.domain.geometry import Box

COMPACT = InputTransform(input_size=112, context="compact")
PAPER = InputTransform()
coordinate = st.floats(-500, 3000)
side = st.floats(10, 900)


def test_the_paper_adds_100_pixels_on_each_side_of_the_larger_side() -> None:
    square = roi_square(Box(x0=10, y0=20, x1=60, y1=120), PAPER)
    assert square == Box(x0=35 - 150, y0=70 - 150, x1=35 + 150, y1=70 + 150)


def test_compact_doubles_the_larger_side() -> None:
    square = roi_square(Box(x0=10, y0=20, x1=60, y1=120), COMPACT)
    assert square == Box(x0=35 - 100, y0=70 - 100, x1=35 + 100, y1=70 + 100)


def test_a_point_outline_still_gets_a_square() -> None:
    assert roi_square(Box(x0=5, y0=5, x1=5, y1=5), COMPACT).width == 16


@given(x=coordinate, y=coordinate, w=side, h=side, size=st.sampled_from([33, 112, 224]))
@settings(max_examples=40)
def test_image_to_input_and_back_is_the_identity(x: float, y: float, w: float, h: float, size: int) -> None:
    transform = InputTransform(input_size=size, context="compact")
    square = roi_square(Box(x0=x, y0=y, x1=x + w, y1=y + h), transform)
    there = image_to_input(square, transform)
    back = there.inverse()(there((x + 3, y + 7)))
    assert back == pytest.approx((x + 3, y + 7), abs=1e-6)
    corner = there((square.x1, square.y1))
    assert corner == pytest.approx((size, size), abs=1e-6)


@given(x=coordinate, y=coordinate, w=side, share=st.floats(1, 2), size=st.integers(32, 300))
@settings(max_examples=40)
def test_the_input_is_the_central_crop_of_the_stored_square(
    x: float, y: float, w: float, share: float, size: int
) -> None:
    transform = InputTransform(input_size=size, context="compact", stored_share=share)
    square = roi_square(Box(x0=x, y0=y, x1=x + w, y1=y + w), transform)
    point = (x + 1.25, y + w / 3)
    inner, outer = image_to_input(square, transform)(point), image_to_stored(square, transform)(point)
    o = transform.crop_offset
    assert outer == pytest.approx((inner[0] + o, inner[1] + o), abs=1e-5)


@pytest.mark.parametrize("edge", [56.0, 112.0, 150.5, 400.0])
def test_the_stored_pixels_hold_the_input_pixels_in_their_middle(edge: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (600, 500)).astype(np.uint8)
    square = Box(x0=90.3, y0=101.7, x1=90.3 + edge, y1=101.7 + edge)
    inner = extract_pixels(image, square, COMPACT.input_size)
    outer = extract_pixels(image, stored_square(square, COMPACT), COMPACT.stored_size)
    o, size = COMPACT.crop_offset, COMPACT.input_size
    difference = np.abs(outer[o : o + size, o : o + size].astype(int) - inner)
    assert difference.max() <= 1


@pytest.mark.parametrize("edge", [40.0, 100.0, 133.7, 300.0, 700.0])
@pytest.mark.parametrize("size", [64, 101])
def test_a_ramp_keeps_its_coordinates(edge: float, size: int) -> None:
    y, x = np.mgrid[0:900, 0:800].astype(np.float32) + 0.5
    square = Box(x0=60.4, y0=80.9, x1=60.4 + edge, y1=80.9 + edge)
    centres = (np.arange(size) + 0.5) * edge / size
    assert np.abs(resample(x, square, size) - (60.4 + centres)[None, :]).max() < 1e-3
    assert np.abs(resample(y, square, size) - (80.9 + centres)[:, None]).max() < 1e-3


def test_a_square_of_the_image_s_own_pixels_is_copied() -> None:
    image = np.random.default_rng(1).integers(0, 256, (50, 60)).astype(np.uint8)
    assert np.array_equal(extract_pixels(image, Box(x0=7, y0=9, x1=39, y1=41), 32), image[9:41, 7:39])


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = np.zeros((400, 400), dtype=np.uint8)
    stripes[:, ::2] = 200
    out = extract_pixels(stripes, Box(x0=0, y0=0, x1=400, y1=400), 50)
    assert np.abs(out.astype(int) - 100).max() <= 2


def test_a_disc_stays_round() -> None:
    y, x = np.mgrid[0:300, 0:500] + 0.5
    disc = (((x - 210) ** 2 + (y - 140) ** 2) < 60**2) * np.uint8(255)
    out = extract_pixels(disc, Box(x0=110, y0=40, x1=310, y1=240), 90) > 127
    assert out.any(axis=0).sum() == out.any(axis=1).sum() == pytest.approx(54, abs=1)
    assert (np.argwhere(out) + 0.5).mean(axis=0) == pytest.approx([45, 45], abs=0.05)


def test_beyond_the_edge_the_image_is_reflected_as_often_as_needed() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    out = extract_pixels(image, Box(x0=-10, y0=-10, x1=20, y1=20), 30)
    expected = np.pad(image, ((10, 17), (10, 16)), mode="reflect")
    assert np.array_equal(out, expected)


@given(length=st.integers(1, 9))
def test_reflection_agrees_with_numpy_s_padding(length: int) -> None:
    row = np.arange(length)
    expected = np.pad(row, 25, mode="reflect") if length > 1 else np.zeros(51, dtype=int)
    assert np.array_equal(row[reflected(np.arange(-25, length + 25), length)], expected)


def test_the_window_is_applied_before_averaging() -> None:
    image = np.array([[0, 4000], [0, 4000]], dtype=np.uint16).repeat(8, axis=0).repeat(8, axis=1)
    lut = np.clip(np.arange(65536) / 4, 0, 255).astype(np.uint8)
    out = extract_pixels(image, Box(x0=0, y0=0, x1=16, y1=16), 16, lut=lut)
    assert set(np.unique(out)) == {0, 255}


def test_a_rectangle_is_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        resample(np.zeros((9, 9), np.uint8), Box(x0=0, y0=0, x1=4, y1=5), 8)


def test_a_context_relative_to_the_lesion_gives_it_a_fixed_share_of_the_side() -> None:
    transform = InputTransform(context="lesion", context_scale=2.5)
    assert roi_square(Box(x0=10, y0=20, x1=60, y1=120), transform).width == 250
    assert transform.lesion_share == pytest.approx(0.4)


def test_a_context_in_millimetres_is_the_same_length_on_every_machine() -> None:
    transform = InputTransform(context="mm", context_mm=5)
    box = Box(x0=0, y0=0, x1=40, y1=30)
    assert roi_square(box, transform, spacing_mm=0.2).width == pytest.approx(40 + 50)
    assert roi_square(box, transform, spacing_mm=0.05).width == pytest.approx(40 + 200)
    with pytest.raises(StudyError, match="has no pixel spacing"):
        roi_square(box, transform)
