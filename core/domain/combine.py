"""Union and difference of shapes as polygons, by Shapely (GEOS).

A polygon of ours is one ring under the even-odd rule. A hole is therefore joined to the outer ring by a bridge
that is walked twice, which the rule cancels: the mask is that of the polygon with its hole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Length, Line, Origin, Polygon, Rectangle, Role, Shape, Stroke

_QUARTER_STEPS = 16
"""Pieces that stand for a quarter of a circle: off by less than 0.13% of the radius."""
_SMALLEST_AREA = 0.25
"""Pixels squared; slivers below it are artefacts of the arithmetic."""


def united(shapes: Sequence[Shape], spacing_mm: float | None = None) -> tuple[Polygon, ...]:
    """Return the area that the shapes cover together, with erasing shapes taken away in their order.

    One polygon for each connected part; the role is the first shape's. It counts as edited if one was proposed.
    Raises: ValueError if widths in mm meet an image without a spacing.
    """
    from shapely.geometry import Polygon as Area

    covered = Area()
    for shape in shapes:
        area = _area(shape, spacing_mm)
        covered = covered.difference(area) if shape.erases else covered.union(area)
    return _polygons(covered, shapes[0].role, _origin(shapes)) if shapes else ()


def subtracted(shape: Shape, others: Iterable[Shape], spacing_mm: float | None = None) -> tuple[Polygon, ...]:
    """Return the area of the shape that none of the others covers; no polygon if nothing is left."""
    rest = _area(shape, spacing_mm)
    for other in others:
        rest = rest.difference(_area(other, spacing_mm))
    return _polygons(rest, shape.role, _origin((shape,)))


def _origin(sources: Sequence[Shape]) -> Origin:
    return Origin.DRAWN if all(shape.origin is Origin.DRAWN for shape in sources) else Origin.EDITED


def _area(shape: Shape, spacing_mm: float | None) -> Any:
    from shapely.affinity import rotate, scale
    from shapely.geometry import LineString
    from shapely.geometry import Point as Dot
    from shapely.geometry import Polygon as Area
    from shapely.geometry import box as box_area
    from shapely.validation import make_valid

    match shape:
        case Rectangle(box=b):
            return box_area(b.x0, b.y0, b.x1, b.y1)
        case Ellipse(centre=centre, radius_x=rx, radius_y=ry, angle_deg=angle):
            disc = Dot(centre).buffer(1.0, quad_segs=_QUARTER_STEPS)
            return rotate(scale(disc, rx, ry, origin=centre), angle, origin=centre)
        case Polygon(points=points):
            return make_valid(Area(points)) if len(points) > 2 else Area()
        case Line(points=points, width=width):
            line = LineString(points) if len(points) > 1 else Dot(points[0])
            return line.buffer(width.in_pixels(spacing_mm) / 2, quad_segs=_QUARTER_STEPS)
        case Stroke(points=points, widths=widths, unit=unit):
            radii = [Length(value=w, unit=unit).in_pixels(spacing_mm) / 2 for w in widths]
            return _dabs(points, radii)


def _dabs(points: Sequence[Point], radii: Sequence[float]) -> Any:
    """Discs joined along the way: the union of the hulls of neighbouring discs."""
    from shapely import union_all
    from shapely.geometry import Point as Dot

    discs = [
        Dot(point).buffer(radius, quad_segs=_QUARTER_STEPS) for point, radius in zip(points, radii, strict=True)
    ]
    if len(discs) == 1:
        return discs[0]
    return union_all([a.union(b).convex_hull for a, b in pairwise(discs)])


def _polygons(area: Any, role: Role, origin: Origin) -> tuple[Polygon, ...]:
    parts = [part for part in getattr(area, "geoms", [area]) if part.geom_type == "Polygon"]
    return tuple(
        Polygon(points=_one_ring(part), role=role, origin=origin)
        for part in parts
        if not part.is_empty and part.area >= _SMALLEST_AREA
    )


def _one_ring(part: Any) -> tuple[Point, ...]:
    """The outer ring with every hole joined to it by a bridge that is walked there and back."""
    ring: list[Point] = [(float(x), float(y)) for x, y in part.exterior.coords[:-1]]
    for hole in part.interiors:
        inner = [(float(x), float(y)) for x, y in hole.coords[:-1]]
        start = min(range(len(ring)), key=lambda i: math.dist(ring[i], inner[0]))
        ring[start + 1 : start + 1] = [*inner, inner[0], ring[start]]
    return tuple(ring)
