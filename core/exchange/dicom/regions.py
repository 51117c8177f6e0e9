"""Shapes as spatial coordinates of a structured report (PS3.3 C.18.6), and back.

Coordinates are those of the program: the top left corner of the top left pixel is (0, 0). They are stored in
single precision, so that a point comes back within a thousandth of a pixel. Lines keep the width of their pen.
Shapes that need a mask (strokes of changing width, the eraser) go into the Segmentation object alone.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Box, Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Role, Shape, Stroke
from core.exchange.masks.clipping import clipped

GraphicType = Literal["POINT", "MULTIPOINT", "POLYLINE", "CIRCLE", "ELLIPSE"]


class SpatialRegion(msgspec.Struct, frozen=True, kw_only=True):
    """One region: graphic type (0070,0023), points (x, y), and the width of the pen where it is an open line."""

    graphic: GraphicType
    points: tuple[Point, ...]
    pen: Length | None = None
    role: Role = Role.MARGIN


def regions_of(shape: Shape, box: Box) -> tuple[SpatialRegion, ...]:
    """The regions of a shape that lie in ``box``, the image; () where only a mask can express it.

    The standard allows no coordinate outside the image (PS3.3, C.18.6.1.2): what lies there is cut off.
    """
    found = (region_of(part) for part in clipped(shape, box))
    return tuple(region for region in found if region is not None)


def is_cut(shape: Shape, box: Box) -> bool:
    """Return True if a part of the shape's coordinates lies outside ``box``."""
    return clipped(shape, box) != (shape,)


def region_of(shape: Shape) -> SpatialRegion | None:
    """The region of a shape; None where only a mask can express it."""
    if shape.erases:
        return None
    match shape:
        case Rectangle(box=box):
            return SpatialRegion(graphic="POLYLINE", points=(*box.corners(), box.corners()[0]), role=shape.role)
        case Polygon(points=points) if len(points) > 2:
            return SpatialRegion(graphic="POLYLINE", points=(*points, points[0]), role=shape.role)
        case Ellipse(radius_x=rx, radius_y=ry) if rx > 0 and ry > 0:
            return _ellipse(shape)
        case Line(points=points, width=width) if len(points) > 1:
            return SpatialRegion(graphic="POLYLINE", points=points, pen=width, role=shape.role)
        case Stroke(points=points, widths=widths, unit=unit) if len(points) > 1 and len(set(widths)) == 1:
            return SpatialRegion(
                graphic="POLYLINE", points=points, pen=Length(value=widths[0], unit=unit), role=shape.role
            )
        case _:
            return None


def _ellipse(shape: Ellipse) -> SpatialRegion:
    """Ends of the major axis, then of the minor one."""
    (x, y), angle = shape.centre, math.radians(shape.angle_deg)
    ux, uy = (1.0, 0.0) if shape.angle_deg == 0 else (math.cos(angle), math.sin(angle))
    along = (shape.radius_x * ux, shape.radius_x * uy)
    across = (-shape.radius_y * uy, shape.radius_y * ux)
    first, second = (along, across) if shape.radius_x >= shape.radius_y else (across, along)
    ends = tuple((x + sign * dx, y + sign * dy) for dx, dy in (first, second) for sign in (-1, 1))
    return SpatialRegion(graphic="ELLIPSE", points=ends, role=shape.role)


def shape_of(region: SpatialRegion) -> Shape:
    """The shape that a region was made from. ValueError for one that this program does not make."""
    points = region.points
    match region.graphic:
        case "ELLIPSE" if len(points) == 4:
            return _ellipse_from(points, region.role)
        case "CIRCLE" if len(points) == 2:
            radius = math.dist(points[0], points[1])
            return Ellipse(centre=points[0], radius_x=radius, radius_y=radius, role=region.role)
        case "POLYLINE" if region.pen is not None and len(points) > 1:
            return Line(points=points, width=region.pen, role=region.role)
        case "POLYLINE" if len(points) > 3 and points[0] == points[-1]:
            return _box_or_polygon(points[:-1], region.role)
        case _:
            raise ValueError(f"a region of type {region.graphic} with {len(points)} points is not a shape")


def _ellipse_from(ends: tuple[Point, ...], role: Role) -> Shape:
    (ax, ay), (bx, by), c, d = ends
    centre = ((ax + bx) / 2, (ay + by) / 2)
    major, minor = math.dist(ends[0], ends[1]) / 2, math.dist(c, d) / 2
    angle = math.degrees(math.atan2(by - ay, bx - ax))
    if abs(angle) < 1e-4 or abs(abs(angle) - 180) < 1e-4:
        return Ellipse(centre=centre, radius_x=major, radius_y=minor, role=role)
    if abs(abs(angle) - 90) < 1e-4:
        return Ellipse(centre=centre, radius_x=minor, radius_y=major, role=role)
    return Ellipse(centre=centre, radius_x=major, radius_y=minor, angle_deg=angle, role=role)


def _box_or_polygon(points: tuple[Point, ...], role: Role) -> Shape:
    xs, ys = sorted({x for x, _ in points}), sorted({y for _, y in points})
    if len(points) == 4 and len(xs) == 2 and len(ys) == 2:
        box = Box(x0=xs[0], y0=ys[0], x1=xs[1], y1=ys[1])
        if points == box.corners():
            return Rectangle(box=box, role=role)
    return Polygon(points=points, role=role)


def graphic_data(region: SpatialRegion) -> NDArray[np.float64]:
    """(n, 2)"""
    return np.array(region.points, np.float64)
