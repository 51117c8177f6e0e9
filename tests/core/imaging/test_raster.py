"""Rasterising against the rule, evaluated pixel by pixel, and against areas worked out by hand."""

from __future__ import annotations

import math
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.geometry import Affine, Box, Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke, circle
from core.imaging.raster import irrelevant, rasterise, rasterise_outline

TURNED = Affine(a=0.8, b=-0.3, c=9.0, d=0.4, e=1.1, f=-6.0)


def px(value: float) -> Length:
    return Length(value=value, unit="px")


def wavy(count: int, *, centre: float = 84, radius: float = 40) -> tuple[Point, ...]:
    angles = np.linspace(0, 2 * math.pi, count)
    return tuple(
        (centre + (radius + 3 * math.sin(9 * a)) * math.cos(a), centre + radius * math.sin(a)) for a in angles
    )


def inside_discs(point: Point, ends: tuple[Point, Point], radii: tuple[float, float]) -> bool:
    """Whether a point lies in any of the discs between two ends: 20,001 discs, so good to about 1e-4."""
    t = np.linspace(0, 1, 20_001)
    (x0, y0), (x1, y1) = ends
    distance = np.hypot(point[0] - x0 - t * (x1 - x0), point[1] - y0 - t * (y1 - y0))
    return bool((distance <= radii[0] + t * (radii[1] - radii[0])).any())


def centres(width: int, height: int, image_to_grid: Affine) -> tuple[np.ndarray, np.ndarray]:
    inverse = image_to_grid.inverse()
    rows, columns = np.mgrid[:height, :width] + 0.5
    return inverse.a * columns + inverse.b * rows + inverse.c, inverse.d * columns + inverse.e * rows + inverse.f


class TestRule:
    @pytest.mark.parametrize("grid", [Affine(a=1, b=0, c=0, d=0, e=1, f=0), TURNED])
    def test_a_stroke_is_the_union_of_the_discs_along_it(self, grid: Affine) -> None:
        points, widths = ((5.3, 6.1), (20.2, 9.7), (11.4, 22.9), (12.0, 22.5)), (3.0, 9.0, 2.0, 6.5)
        mask = rasterise((Stroke(points=points, widths=widths),), width=32, height=32, image_to_grid=grid)
        x, y = centres(32, 32, grid)
        pieces = list(zip(pairwise(points), pairwise(w / 2 for w in widths), strict=True))
        expected = [
            any(inside_discs(p, ends, radii) for ends, radii in pieces)
            for p in zip(x.ravel(), y.ravel(), strict=True)
        ]
        assert 0 < mask.sum() < mask.size
        assert (mask.ravel() != np.array(expected)).sum() == 0

    @pytest.mark.parametrize("grid", [Affine(a=1, b=0, c=0, d=0, e=1, f=0), TURNED])
    def test_an_ellipse_turns_clockwise_and_takes_the_centres_within(self, grid: Affine) -> None:
        shape = Ellipse(centre=(15.2, 14.6), radius_x=12.3, radius_y=4.1, angle_deg=30)
        x, y = centres(32, 32, grid)
        cos, sin = math.cos(math.radians(30)), math.sin(math.radians(30))
        # clockwise on the screen, where y points down: the long axis runs along (cos, sin)
        u, v = (x - 15.2) * cos + (y - 14.6) * sin, (y - 14.6) * cos - (x - 15.2) * sin
        expected = (u / 12.3) ** 2 + (v / 4.1) ** 2 <= 1
        np.testing.assert_array_equal(rasterise((shape,), width=32, height=32, image_to_grid=grid), expected)

    def test_a_polygon_is_filled_by_the_even_odd_rule(self) -> None:
        star = Polygon(points=((0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (2, 2), (8, 2), (8, 8), (2, 8), (2, 2)))
        mask = rasterise((star,), width=10, height=10)
        assert mask.sum() == 100 - 36
        assert mask[5, 5] == 0 and mask[1, 1] == 1

    def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out(self) -> None:
        left = Polygon(points=((0, 0), (4.5, 0), (6.5, 8), (0, 8)))
        right = Polygon(points=((4.5, 0), (12, 0), (12, 8), (6.5, 8)))
        both = [rasterise((p,), width=12, height=8).astype(int) for p in (left, right)]
        np.testing.assert_array_equal(both[0] + both[1], 1)

    def test_a_box_on_pixel_edges_covers_exactly_its_pixels(self) -> None:
        mask = rasterise_outline(Rectangle(box=Box(x0=2, y0=3, x1=5, y1=9)), width=10, height=10)
        assert mask.sum() == 3 * 6
        assert mask[3:9, 2:5].all()

    def test_a_width_in_millimetres_uses_the_spacing(self) -> None:
        line = Line(points=((0, 10), (40, 10)), width=Length(value=0.6, unit="mm"))
        assert rasterise((line,), width=40, height=20, spacing_mm=0.1)[:, 20].sum() == 6
        with pytest.raises(ValueError, match="pixel spacing"):
            rasterise((line,), width=40, height=20)


class TestAreas:
    @pytest.mark.parametrize("turn", [0.0, 17.0])
    def test_shapes_at_scale_have_the_area_of_geometry(self, turn: float) -> None:
        radians = math.radians(turn)
        corners = ((100, 100), (800, 160), (700, 900), (150, 820))
        cos, sin = math.cos(radians), math.sin(radians)
        polygon = tuple(
            (500 + (x - 500) * cos - (y - 500) * sin, 500 + (x - 500) * sin + (y - 500) * cos) for x, y in corners
        )
        shoelace = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise((*polygon, polygon[0])))) / 2
        cases: list[tuple[Shape, float]] = [
            (Polygon(points=polygon), shoelace),
            (Ellipse(centre=(500, 500), radius_x=300, radius_y=120, angle_deg=turn), math.pi * 300 * 120),
            (
                Line(points=((500, 500), (500 + 300 * cos, 500 + 300 * sin)), width=px(80)),
                300 * 80 + math.pi * 40**2,
            ),
        ]
        for shape, area in cases:
            assert rasterise((shape,), width=1000, height=1000).sum() == pytest.approx(area, rel=0.002)

    @pytest.mark.parametrize(
        "shape",
        [
            Polygon(points=wavy(40)),
            Ellipse(centre=(80.3, 90.7), radius_x=50, radius_y=31, angle_deg=-40),
            Line(points=wavy(60), width=px(12)),
        ],
    )
    def test_a_mask_agrees_with_a_supersampled_one(self, shape: Shape) -> None:
        scale, factor = 5.0, 4
        coarse = Affine(a=scale, b=0, c=0, d=0, e=scale, f=0)
        fine = Affine(a=scale * factor, b=0, c=0, d=0, e=scale * factor, f=0)
        size = int(168 * scale)
        mask = rasterise((shape,), width=size, height=size, image_to_grid=coarse)
        reference = rasterise((shape,), width=size * factor, height=size * factor, image_to_grid=fine)
        share = reference.reshape(size, factor, size, factor).mean(axis=(1, 3))
        truth = share >= 0.5
        assert (mask & truth).sum() / (mask | truth).sum() >= 0.99
        assert np.abs(share.sum() - mask.sum()) / share.sum() < 0.002


class TestOrder:
    def test_a_union_does_not_depend_on_the_order(self) -> None:
        shapes = (circle((20, 20), 9), Line(points=((3, 3), (50, 40)), width=px(4)), circle((40, 44), 6))
        masks = [rasterise(order, width=64, height=64) for order in (shapes, shapes[::-1])]
        np.testing.assert_array_equal(masks[0], masks[1])
        union = np.maximum.reduce([rasterise((s,), width=64, height=64) for s in shapes])
        np.testing.assert_array_equal(masks[0], union)

    def test_an_eraser_takes_away_what_came_before_it_only(self) -> None:
        disc, hole = circle((32, 32), 20), Ellipse(centre=(32, 32), radius_x=8, radius_y=8, erases=True)
        whole, part = (rasterise((s,), width=64, height=64) for s in (disc, circle((32, 32), 8)))
        np.testing.assert_array_equal(rasterise((disc, hole), width=64, height=64), whole - part)
        np.testing.assert_array_equal(rasterise((hole, disc), width=64, height=64), whole)

    def test_no_shapes_mark_nothing(self) -> None:
        assert rasterise((), width=5, height=4).shape == (4, 5)
        assert not rasterise((Polygon(points=((1, 1), (3, 3))),), width=5, height=4).any()


coordinates = st.integers(-400, 400).map(lambda v: v / 16)


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=6),
    width=st.integers(1, 120).map(lambda v: v / 16),
    shift=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    kind=st.sampled_from(["line", "polygon", "stroke"]),
)
def test_moving_the_shape_by_whole_pixels_moves_the_mask(
    points: list[Point], width: float, shift: tuple[int, int], kind: str
) -> None:
    def shape(dx: int, dy: int) -> Shape:
        moved = tuple((x + dx, y + dy) for x, y in points)
        if kind == "line":
            return Line(points=moved, width=px(width))
        if kind == "polygon":
            return Polygon(points=moved)
        return Stroke(points=moved, widths=tuple(width * (1 + k / 2) for k in range(len(moved))))

    # the window of the mask moves along: what it shows stays the same
    at, moved = (
        rasterise(
            (shape(*s),), width=80, height=80, image_to_grid=Affine(a=1, b=0, c=30 - s[0], d=0, e=1, f=30 - s[1])
        )
        for s in ((0, 0), shift)
    )
    assert (at != moved).sum() <= 2  # a centre on the border may fall on either side by rounding
    whole = rasterise((shape(0, 0),), width=120, height=120, image_to_grid=Affine(a=1, b=0, c=50, d=0, e=1, f=50))
    np.testing.assert_array_equal(at, whole[20:100, 20:100])


class TestThinLines:
    @settings(max_examples=60, deadline=None)
    @given(
        start=st.tuples(st.floats(40, 3960), st.floats(40, 3960)),
        end=st.tuples(st.floats(40, 3960), st.floats(40, 3960)),
    )
    def test_a_line_is_whole_at_network_resolution(self, start: Point, end: Point) -> None:
        grid = Affine(a=0.02, b=0, c=0, d=0, e=0.02, f=0)
        mask = rasterise((Line(points=(start, end), width=px(1)),), width=80, height=80, image_to_grid=grid)
        (x0, y0), (x1, y1) = grid(start), grid(end)
        assert mask.any()
        for t in np.linspace(0, 1, 50):
            c, r = int(x0 + t * (x1 - x0)), int(y0 + t * (y1 - y0))
            assert mask[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].any()

    @pytest.mark.parametrize("shape", [Line(points=((40, 40),), width=px(1)), circle((40, 40), 2)])
    def test_the_smallest_shape_marks_the_pixel_that_holds_it(self, shape: Shape) -> None:
        grid = Affine(a=0.1, b=0, c=0, d=0, e=0.1, f=0)
        mask = rasterise((shape,), width=8, height=8, image_to_grid=grid)
        assert mask.sum() == 1 and mask[4, 4] == 1

    def test_what_lies_outside_the_grid_marks_nothing(self) -> None:
        far = (Line(points=((-50, -50), (-40, 5e9)), width=px(3)), circle((1e12, 3), 5), circle((-3, 3), 0.1))
        assert not rasterise(far, width=20, height=20).any()

    def test_coordinates_that_are_not_finite_are_an_error(self) -> None:
        for shape in (circle((math.nan, 1), 3), Polygon(points=((0, 0), (math.inf, 1), (1, 1)))):
            with pytest.raises(ValueError, match="finite"):
                rasterise((shape,), width=5, height=5)


def test_polarity_is_converted_both_ways() -> None:
    mask = rasterise((circle((5, 5), 3),), width=10, height=10)
    paper = irrelevant(mask)
    assert paper[5, 5] == 0 and paper[0, 0] == 1 and paper.dtype == np.uint8
    np.testing.assert_array_equal(irrelevant(paper), mask)
    np.testing.assert_allclose(irrelevant(np.array([0.25], np.float32)), [0.75])


@pytest.mark.benchmark
def test_a_lesion_of_two_hundred_points_takes_milliseconds() -> None:
    shapes: tuple[Shape, ...] = (
        Line(points=wavy(200), width=px(3)),
        *(circle((x, 80), 8) for x in (45.0, 84.0, 120.0)),
    )
    times = []
    for _ in range(10):
        start = time.perf_counter()
        rasterise(shapes, width=168, height=168)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.03  # measured: about 1 ms
