"""Turned matrices, points and shapes stay on each other, and turn back."""

from __future__ import annotations

import numpy as np
import pytest

from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Stroke
from core.domain.turn import Turn
from core.imaging.raster import rasterise

CODES = ["", "M", "F", "MF", "T", "TM", "TF", "TMF"]
WIDTH, HEIGHT = 23, 37
PX = Length(value=3, unit="px")
SHAPES = (
    Rectangle(box=Box(x0=2, y0=3, x1=9, y1=12)),
    Ellipse(centre=(12.0, 20.0), radius_x=8, radius_y=3),
    Ellipse(centre=(12.0, 20.0), radius_x=8, radius_y=3, angle_deg=30),
    Polygon(points=((3.0, 30.0), (20.0, 33.0), (9.0, 8.0))),
    Line(points=((3.0, 4.0), (18.0, 30.0)), width=PX),
    Stroke(points=((3.0, 4.0), (18.0, 9.0)), widths=(2.0, 6.0)),
)


@pytest.mark.parametrize("code", CODES)
def test_a_turn_and_its_inverse(code: str) -> None:
    matrix = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH)
    turn = Turn.of(code)
    assert turn.code == code
    turned = turn.apply(matrix)
    np.testing.assert_array_equal(turn.back.apply(turned), matrix)
    x, y = turn.points(WIDTH, HEIGHT)((4.5, 7.5))
    assert turned[int(y), int(x)] == matrix[7, 4]
    there = turn.back.points(turned.shape[1], turned.shape[0])((x, y))
    assert there == (4.5, 7.5)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_a_shape_turns_with_its_mask(code: str, shape: Rectangle) -> None:
    turn = Turn.of(code)
    mask = rasterise((shape,), width=WIDTH, height=HEIGHT)
    rows, columns = turn.apply(mask).shape
    turned = rasterise((turn.shape(shape, WIDTH, HEIGHT),), width=columns, height=rows)
    # pixels whose centre lies on an edge may fall to either side
    assert (turned != turn.apply(mask)).sum() <= 6 and mask.any()


def test_other_letters_are_no_turn() -> None:
    for code in ("X", "MM", "m"):
        with pytest.raises(ValueError, match="not a turn"):
            Turn.of(code)
