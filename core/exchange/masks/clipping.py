"""Shapes cut to the image, for formats whose standard forbids coordinates outside it.

The study itself, its CSV and the field ``marginalia`` of COCO keep every shape whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from core.domain.geometry import Box, Point
from core.domain.shapes import Ellipse, Line, Polygon, Rectangle, Shape, Stroke
from core.exchange.masks.polygons import Ring, ellipse_ring

_Run = tuple[Point, float]
"""A point of a line and the width of the pen there."""


def clipped(shape: Shape, box: Box) -> tuple[Shape, ...]:
    """The parts of a shape whose coordinates lie in ``box`` (edges included).

    A shape that lies inside is returned as it is. An ellipse that crosses the edge becomes a polygon; a line
    becomes one line for each stretch of its centre line that lies inside.
    """
    match shape:
        case Rectangle(box=own):
            common = own.intersection(box)
            return () if common is None else (msgspec.structs.replace(shape, box=common),)
        case Polygon(points=points):
            return _polygon(points, box, shape)
        case Ellipse():
            ring = ellipse_ring(shape)
            return (shape,) if all(map(box.contains, ring)) else _polygon(ring, box, shape)
        case Line(points=points):
            runs = _stretches([(point, 0.0) for point in points], box)
            return tuple(msgspec.structs.replace(shape, points=tuple(p for p, _ in run)) for run in runs)
        case Stroke(points=points, widths=widths):
            runs = _stretches(list(zip(points, widths, strict=True)), box)
            return tuple(
                msgspec.structs.replace(shape, points=tuple(p for p, _ in run), widths=tuple(w for _, w in run))
                for run in runs
            )


def _polygon(points: Ring, box: Box, shape: Shape) -> tuple[Shape, ...]:
    ring = clipped_ring(points, box)
    return (Polygon(points=ring, role=shape.role, origin=shape.origin, erases=shape.erases),) if ring else ()


def clipped_ring(ring: Ring, box: Box) -> Ring:
    """A polygon cut to a box (Sutherland and Hodgman 1974); () where no area is left.

    Parts that the box separates stay joined along its edge, which encloses nothing.
    """
    if all(map(box.contains, ring)):
        return ring
    for axis, limit, sign in ((0, box.x0, 1), (0, box.x1, -1), (1, box.y0, 1), (1, box.y1, -1)):
        ring = _cut(ring, axis, limit, sign)
    return ring if len(ring) > 2 and _has_area(ring) else ()


def _cut(ring: Ring, axis: int, limit: float, sign: int) -> Ring:
    """The part of a ring on the side of a line along an axis where ``sign * (coordinate - limit) >= 0``."""
    kept: list[Point] = []
    for start, end in pairwise((*ring[-1:], *ring)):
        start_in, end_in = (sign * (point[axis] - limit) >= 0 for point in (start, end))
        if start_in != end_in:
            kept.append(_crossing(start, end, axis, limit))
        if end_in:
            kept.append(end)
    return tuple(kept)


def _crossing(start: Point, end: Point, axis: int, limit: float) -> Point:
    share = (limit - start[axis]) / (end[axis] - start[axis])
    other = start[1 - axis] + share * (end[1 - axis] - start[1 - axis])
    return (limit, other) if axis == 0 else (other, limit)


def _has_area(ring: Ring) -> bool:
    """Return True if the ring encloses an area, rather than running to and fro on one line."""
    (x0, y0), *rest = ring
    (x1, y1) = max(rest, key=lambda p: abs(p[0] - x0) + abs(p[1] - y0))
    return any((x1 - x0) * (y - y0) != (y1 - y0) * (x - x0) for x, y in rest)


def _stretches(line: Sequence[_Run], box: Box) -> list[list[_Run]]:
    """The stretches of a line inside the box; a point that stands alone is kept where it lies inside."""
    if len(line) == 1:
        return [list(line)] if box.contains(line[0][0]) else []
    found: list[list[_Run]] = []
    for start, end in pairwise(line):
        part = _inside(start[0], end[0], box)
        if part is None:
            continue
        first, last = (_between(start, end, share, box) for share in part)
        if found and part[0] == 0 and found[-1][-1] == start:
            found[-1].append(last)
        else:
            found.append([first, last])
    return found


def _inside(start: Point, end: Point, box: Box) -> tuple[float, float] | None:
    """From which to which share of a segment it lies in the box (Liang and Barsky 1984)."""
    first, last = 0.0, 1.0
    for axis, low, high in ((0, box.x0, box.x1), (1, box.y0, box.y1)):
        step = end[axis] - start[axis]
        if step == 0:
            if not low <= start[axis] <= high:
                return None
            continue
        shares = sorted(((low - start[axis]) / step, (high - start[axis]) / step))
        first, last = max(first, shares[0]), min(last, shares[1])
    return (first, last) if first < last else None


def _between(start: _Run, end: _Run, share: float, box: Box) -> _Run:
    if share in (0.0, 1.0):
        return end if share else start
    x, y = (a + share * (b - a) for a, b in zip(start[0], end[0], strict=True))
    inside = min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)
    return inside, start[1] + share * (end[1] - start[1])
