from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain import edits
from core.domain.combine import subtracted, united
from core.domain.geometry import Box, Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Role, Shape, Stroke, bounds, circle
from core.imaging.raster import rasterise

PX = Length(value=4, unit="px")
LINE = Line(points=((10.0, 10.0), (30.0, 10.0), (30.0, 40.0)), width=PX)
STROKE = Stroke(points=((10.0, 10.0), (30.0, 10.0)), widths=(4.0, 8.0))
SQUARE = Polygon(points=((10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0)))
BOX = Rectangle(box=Box(x0=10, y0=20, x1=40, y1=60))
TURNED = Ellipse(centre=(50.0, 50.0), radius_x=20, radius_y=10, angle_deg=30)
ALL: list[Shape] = [LINE, STROKE, SQUARE, BOX, TURNED]

coordinate = st.floats(-500, 500).map(lambda v: round(v, 2))
points = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=40).map(tuple)


@pytest.mark.parametrize("shape", ALL)
def test_moving_there_and_back_changes_nothing(shape: Shape) -> None:
    assert edits.moved(edits.moved(shape, 8, -4), -8, 4) == shape


@pytest.mark.parametrize("shape", ALL)
def test_every_vertex_can_be_taken_hold_of_and_put_elsewhere(shape: Shape) -> None:
    for index, vertex in enumerate(edits.vertices(shape)):
        assert edits.vertex_at(shape, vertex, tolerance=0.01) == index
        to = (vertex[0] + 1, vertex[1] + 1)
        after = edits.with_vertex(shape, index, to)
        if not isinstance(shape, Ellipse):
            assert any(math.dist(v, to) < 1e-9 for v in edits.vertices(after))


def test_a_box_keeps_its_opposite_corner_and_a_circle_stays_one() -> None:
    box = edits.with_vertex(BOX, 0, (0, 0))
    assert box == Rectangle(box=Box(x0=0, y0=0, x1=40, y1=60))
    assert edits.with_vertex(circle((0, 0), 5), 1, (0, 9)) == circle((0, 0), 9)
    oval = edits.with_vertex(circle((0, 0), 5), 1, (0, 9), keep_round=False)
    assert isinstance(oval, Ellipse) and (oval.radius_x, oval.radius_y) == (5, 9)


def test_vertices_of_a_turned_ellipse_lie_on_its_border() -> None:
    right, bottom, left, top = edits.vertices(TURNED)
    assert math.dist(right, left) == pytest.approx(40) and math.dist(bottom, top) == pytest.approx(20)
    assert right[1] > 50, "the angle turns clockwise, y points down"


def test_a_vertex_goes_into_the_nearest_piece_and_comes_out_again() -> None:
    longer = edits.with_vertex_added(LINE, (31, 25))
    assert isinstance(longer, Line) and longer.points[2] == (31, 25)
    assert edits.without_vertex(longer, 2) == LINE
    closing = edits.with_vertex_added(SQUARE, (9, 20))
    assert isinstance(closing, Polygon) and closing.points[-1] == (9, 20)
    stroke = edits.with_vertex_added(STROKE, (20, 11))
    assert isinstance(stroke, Stroke) and stroke.widths == (4, 6, 8)


def test_nothing_is_left_of_a_line_with_one_point_or_a_polygon_with_two() -> None:
    assert edits.without_vertex(STROKE, 0) is None
    triangle = Polygon(points=SQUARE.points[:3])
    assert edits.without_vertex(triangle, 1) is None


@settings(max_examples=40, deadline=None)
@given(points, st.floats(0.1, 20))
def test_simplifying_moves_no_point_further_than_the_tolerance(way: tuple[Point, ...], tolerance: float) -> None:
    after = edits.simplified(Line(points=way, width=PX), tolerance)
    assert isinstance(after, Line)
    assert after.points[0] == way[0] and after.points[-1] == way[-1]
    assert max(edits._line_distance(after.points, point) for point in way) <= tolerance + 1e-6
    assert edits.simplified(after, 0.0) == after or len(after.points) <= len(way)


def test_a_straight_line_needs_two_points_and_a_square_keeps_its_corners() -> None:
    straight = Line(points=tuple((float(x), 2.0 * x) for x in range(50)), width=PX)
    assert edits.simplified(straight, 0.1) == Line(points=((0, 0), (49, 98)), width=PX)
    dense = Polygon(
        points=tuple((10 + float(i), 10.0) for i in range(20))
        + tuple((30.0, 10 + float(i)) for i in range(20))
        + ((30.0, 30.0), (10.0, 30.0))
    )
    assert edits.simplified(dense, 0.5) == SQUARE


def test_smoothing_keeps_the_ends_and_shortens_the_way() -> None:
    zigzag = Line(points=tuple((float(x), float(x % 2)) for x in range(21)), width=PX)
    after = edits.smoothed(zigzag)
    assert isinstance(after, Line)
    assert after.points[0] == (0, 0) and after.points[-1] == (20, 0)
    assert np.ptp([y for _, y in after.points[5:-5]]) < 0.1
    assert edits.smoothed(BOX) == BOX


@pytest.mark.parametrize("shape", ALL)
def test_hits_agree_with_the_mask(shape: Shape) -> None:
    """A click on the centre of a marked pixel means the shape; one far outside its bounds does not."""
    mask = rasterise((shape,), width=100, height=100)
    if isinstance(shape, Stroke):  # a click takes the widest dab for all
        rows, columns = np.nonzero(mask)
        assert all(edits.hits(shape, (c + 0.5, r + 0.5)) for r, c in zip(rows, columns, strict=True))
        return
    for row in range(0, 100, 3):
        for column in range(0, 100, 3):
            assert edits.hits(shape, (column + 0.5, row + 0.5)) == bool(mask[row, column])


def test_the_topmost_shape_is_hit_and_marking_ones_before_erasing_ones() -> None:
    eraser = Stroke(points=((20.0, 20.0),), widths=(30.0,), erases=True)
    assert edits.shape_at((SQUARE, circle((20, 20), 5), eraser), (20, 20)) == 1
    assert edits.shape_at((eraser,), (20, 20)) == 0
    assert edits.shape_at((SQUARE,), (80, 80)) is None
    assert edits.shape_at((SQUARE,), (33, 20), tolerance=4) == 0


def test_widths_of_a_stroke_change_in_proportion_and_between_units() -> None:
    wider = edits.with_width(STROKE, Length(value=2, unit="mm"), spacing_mm=0.1)
    assert isinstance(wider, Stroke) and wider.widths == pytest.approx((10, 20)) and wider.unit == "px"
    with pytest.raises(ValueError, match="pixel spacing"):
        edits.with_width(STROKE, Length(value=2, unit="mm"))
    assert edits.with_width(BOX, PX) == BOX


def test_replay_finds_the_way_back_from_every_revision() -> None:
    a, b, c = (LINE,), (LINE, SQUARE), (LINE, BOX)
    assert edits.replay([]) == (((),), 0)
    assert edits.replay([a, b]) == (((), a, b), 2)
    assert edits.replay([a, b, a]) == (((), a, b), 1)
    assert edits.replay([a, b, a, b]) == (((), a, b), 2)
    assert edits.replay([a, b, a, c]) == (((), a, c), 2)
    assert edits.replay([a, ()]) == (((), a), 0)


@pytest.mark.parametrize("other", ALL)
def test_unions_and_differences_have_the_masks_of_sets(other: Shape) -> None:
    first: Shape = circle((30, 30), 18, role=Role.PROMINENT)
    masks = [rasterise((s,), width=200, height=200).astype(bool) for s in (first, other)]
    both = united((first, other))
    assert {shape.role for shape in both} == {Role.PROMINENT}
    wrong = rasterise(both, width=200, height=200).astype(bool) ^ (masks[0] | masks[1])
    assert wrong.sum() <= 12
    rest = rasterise(subtracted(first, (other,)), width=200, height=200).astype(bool) ^ (masks[0] & ~masks[1])
    assert rest.sum() <= 12


def test_a_hole_stays_a_hole_and_a_shape_less_itself_is_nothing() -> None:
    ring = subtracted(circle((50, 50), 40), (circle((50, 50), 20), circle((80, 50), 3)))
    mask = rasterise(ring, width=100, height=100)
    assert mask[50, 50] == 0 and mask[50, 80] == 0 and mask[50, 75] == 1 and mask[50, 15] == 1
    assert abs(int(mask.sum()) - round(math.pi * (1600 - 400 - 9))) < 30
    assert subtracted(SQUARE, (SQUARE,)) == ()


def test_chosen_shapes_are_replaced_removed_and_duplicated() -> None:
    shapes: edits.Shapes = (LINE, SQUARE, BOX)
    chosen = frozenset({0, 2})
    assert edits.without(shapes, chosen) == (SQUARE,)
    changed = edits.replaced(shapes, chosen, lambda s: edits.with_role(s, Role.PROMINENT))
    assert [s.role for s in changed] == [Role.PROMINENT, Role.MARGIN, Role.PROMINENT]
    copies = edits.duplicated(shapes, chosen, offset=5)[3:]
    assert [bounds(s).x0 for s in copies] == [bounds(LINE).x0 + 5, bounds(BOX).x0 + 5]
