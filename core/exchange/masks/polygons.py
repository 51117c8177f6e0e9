"""Shapes as filled polygons, for formats that know nothing else.

The polygons of one shape are meant as a union: a line becomes the swept area of its round pen, one convex piece
a segment, so that an open line stays open. Coordinates are continuous pixels of the mammogram.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke

Ring = tuple[Point, ...]

_CORNERS = 64
"""The number of corners of a circle; their radius is such that the polygon has the circle's area."""
_SMALLEST_RADIUS = 0.5
"""A line marks at least a pixel (``core.imaging.raster``)."""


def polygons_of(shape: Shape, spacing_mm: float | None = None) -> tuple[Ring, ...]:
    """The rings whose union is the shape; () for a shape without area or points.

    ValueError where a width in millimetres meets an image without a pixel spacing.
    """
    match shape:
        case Rectangle(box=box):
            return (box.corners(),)
        case Polygon(points=points):
            return (points,) if len(points) > 2 else ()
        case Ellipse():
            return (ellipse_ring(shape),)
        case Line(points=points, width=width):
            pen = width.in_pixels(spacing_mm)
            return _swept(points, [pen] * len(points))
        case Stroke(points=points, widths=widths, unit=unit):
            return _swept(points, [Length(value=w, unit=unit).in_pixels(spacing_mm) for w in widths])


def ellipse_ring(shape: Ellipse) -> Ring:
    """A polygon of the ellipse's area."""
    angle = math.radians(shape.angle_deg)
    cos, sin = math.cos(angle), math.sin(angle)
    (x, y), rx, ry = shape.centre, shape.radius_x, shape.radius_y
    return tuple((x + rx * u * cos - ry * v * sin, y + rx * u * sin + ry * v * cos) for u, v in _circle(_CORNERS))


def _circle(corners: int) -> list[Point]:
    """A regular polygon about the origin with the area of the unit circle."""
    step = 2 * math.pi / corners
    radius = math.sqrt(step / math.sin(step))
    return [(radius * math.cos(k * step), radius * math.sin(k * step)) for k in range(corners)]


def _swept(points: Sequence[Point], widths: Sequence[float]) -> tuple[Ring, ...]:
    """One convex piece between each two neighbouring points: the hull of the pen's discs at both."""
    discs = [
        [
            (x + max(width / 2, _SMALLEST_RADIUS) * u, y + max(width / 2, _SMALLEST_RADIUS) * v)
            for u, v in _circle(24)
        ]
        for (x, y), width in zip(points, widths, strict=True)
    ]
    if len(discs) == 1:
        return (tuple(discs[0]),)
    return tuple(_hull(first + second) for first, second in pairwise(discs))


def _hull(points: list[Point]) -> Ring:
    """Convex hull by Andrew's monotone chain."""
    ordered = sorted(set(points))
    lower, upper = _half_hull(ordered), _half_hull(ordered[::-1])
    return (*lower[:-1], *upper[:-1])


def _half_hull(ordered: list[Point]) -> list[Point]:
    hull: list[Point] = []
    for point in ordered:
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) <= 0:
            hull.pop()
        hull.append(point)
    return hull


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
