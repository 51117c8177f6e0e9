from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.domain.geometry import Box
from core.explain import render
from core.explain.render import HeatStyle

GREY = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
STYLE = HeatStyle(high=9.0)


def test_where_the_map_is_cold_the_image_shines_through_unchanged() -> None:
    assert (render.overlay(GREY, np.zeros((16, 16)), STYLE) == GREY[..., None]).all()


def test_the_hotter_the_map_the_further_the_picture_is_from_the_image() -> None:
    distance = [
        np.abs(render.overlay(GREY, np.full((16, 16), v), STYLE).astype(int) - GREY[..., None]).mean()
        for v in (0.0, 3.0, 6.0, 9.0)
    ]
    assert distance == sorted(distance) and distance[1] > 0


def test_values_beyond_the_scale_are_held_at_its_ends() -> None:
    hot, hotter = (render.heat(np.full((2, 2), v), STYLE) for v in (9.0, 90.0))
    np.testing.assert_array_equal(hot, hotter)
    np.testing.assert_array_equal(render.heat(np.full((2, 2), -5.0), STYLE), render.heat(np.zeros((2, 2)), STYLE))


def test_a_scale_without_a_span_shows_the_image() -> None:
    flat = render.overlay(GREY, np.ones((16, 16)), HeatStyle(low=1.0, high=1.0))
    np.testing.assert_array_equal(flat, render.as_rgb(GREY))


def test_the_default_colours_grow_lighter_all_the_way() -> None:
    bar = render.colour_bar(STYLE).astype(float)[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(bar) > -1).all() and bar[-1] - bar[0] > 150


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot carry a map"):
        render.overlay(GREY, np.zeros((4, 4)), STYLE)


def test_a_box_is_drawn_around_its_pixels_and_leaves_them_visible() -> None:
    picture = render.as_rgb(GREY)
    boxed = render.with_box(picture, Box(x0=6, y0=6, x1=10, y1=10), width=1)
    np.testing.assert_array_equal(boxed[6:10, 6:10], picture[6:10, 6:10])
    assert (boxed != picture).any()


def test_a_box_at_the_edge_stays_visible() -> None:
    boxed = render.with_box(render.as_rgb(GREY), Box(x0=0, y0=0, x1=16, y1=16))
    assert (boxed[0, 8] == render.RELEVANT_COLOUR).all() or (boxed[1, 8] == render.RELEVANT_COLOUR).all()


def test_a_png_holds_the_pixels_and_no_text() -> None:
    data = render.png(GREY)
    with Image.open(io.BytesIO(data)) as back:
        np.testing.assert_array_equal(np.array(back), GREY)
        assert back.info == {}


def test_crops_are_centred_on_a_square_without_stretching() -> None:
    square = render.on_square(np.full((4, 8), 255, np.uint8), 32)
    assert square.shape == (32, 32)
    assert (square[:8] == 0).all() and (square[8:24] == 255).all()


def test_a_strip_is_as_wide_as_its_pictures_and_gaps() -> None:
    assert render.strip([render.as_rgb(GREY)] * 3, gap=4).shape == (16, 56, 3)
