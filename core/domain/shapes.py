"""The shapes that a reader draws. They are the truth; masks are derived from them (``core.imaging.raster``).

All coordinates are continuous pixel coordinates of the mammogram (see ``core.domain.geometry``). Widths are
lengths in millimetres where the image has a pixel spacing, else in pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from core.domain.geometry import Box, Point, box_around


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """A length with its unit; ``px`` are pixels of the mammogram."""

    value: float
    unit: Literal["mm", "px"]

    def in_pixels(self, spacing_mm: float | None) -> float:
        """In pixels of an image with this pixel spacing; ValueError where mm meet an image without one."""
        if self.unit == "px":
            return self.value
        if spacing_mm is None:
            raise ValueError("a width in millimetres needs an image with a pixel spacing")
        return self.value / spacing_mm


class Role(StrEnum):
    """Meaning of a shape of a fine annotation (paper, "Fine annotations"; Fig. 2b)."""

    PROMINENT = "prominent"  # a most telling feature, circled
    MARGIN = "margin"  # the rest of the margin, traced


class Origin(StrEnum):
    """How a shape came into an annotation."""

    DRAWN = "drawn"
    PROPOSED = "proposed"  # by the program, accepted as it was
    EDITED = "edited"  # proposed, then changed by the reader


class _Shape(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    role: Role = Role.MARGIN
    origin: Origin = Origin.DRAWN
    erases: bool = False
    """True where the shape takes away what earlier shapes marked (the eraser, a subtracted polygon)."""


class Ellipse(_Shape, frozen=True, kw_only=True, tag="ellipse"):
    """A filled ellipse; a circle where the radii are equal. ``angle_deg`` turns it clockwise."""

    centre: Point
    radius_x: float
    radius_y: float
    angle_deg: float = 0.0


class Line(_Shape, frozen=True, kw_only=True, tag="line"):
    """An open line of one width with round ends: freehand, polyline or live wire. Never filled."""

    points: tuple[Point, ...]
    width: Length


class Polygon(_Shape, frozen=True, kw_only=True, tag="polygon"):
    """A filled polygon (even-odd rule); the last vertex joins the first."""

    points: tuple[Point, ...]


class Stroke(_Shape, frozen=True, kw_only=True, tag="stroke"):
    """A brush or eraser stroke: round dabs joined along the way, each with a diameter (tablet pressure)."""

    points: tuple[Point, ...]
    widths: tuple[float, ...]
    """One diameter a point, in ``unit``."""
    unit: Literal["mm", "px"] = "px"


class Rectangle(_Shape, frozen=True, kw_only=True, tag="rectangle"):
    """An axis-aligned filled box."""

    box: Box


Shape = Ellipse | Line | Polygon | Stroke | Rectangle


def circle(centre: Point, radius: float, *, role: Role = Role.PROMINENT) -> Ellipse:
    return Ellipse(centre=centre, radius_x=radius, radius_y=radius, role=role)


def bounds(shape: Shape, spacing_mm: float | None = None) -> Box:
    """The box that holds every pixel the shape can touch (an ellipse by its larger radius)."""
    match shape:
        case Rectangle(box=box):
            return box
        case Ellipse(centre=(x, y), radius_x=rx, radius_y=ry, angle_deg=angle):
            if angle == 0:
                return Box(x0=x - rx, y0=y - ry, x1=x + rx, y1=y + ry)
            r = max(rx, ry)
            return Box(x0=x - r, y0=y - r, x1=x + r, y1=y + r)
        case Polygon(points=points):
            return box_around(points)
        case Line(points=points, width=width):
            return box_around(points).grown(width.in_pixels(spacing_mm) / 2)
        case Stroke(points=points, widths=widths, unit=unit):
            widest = Length(value=max(widths), unit=unit).in_pixels(spacing_mm)
            return box_around(points).grown(widest / 2)


def encode_shapes(shapes: tuple[Shape, ...]) -> bytes:
    """The shapes as UTF-8 JSON, in drawing order."""
    return msgspec.json.encode(shapes)


def decode_shapes(data: bytes | str) -> tuple[Shape, ...]:
    """Decode shapes (inverse of ``encode_shapes``); ``msgspec.ValidationError`` names the document's fault."""
    return msgspec.json.decode(data, type=tuple[Shape, ...])


def sharing_decoder() -> Callable[[Sequence[bytes]], tuple[Shape, ...]]:
    """Return a decoder of the revisions of an annotation, each the JSON of its shapes: a shape that several have
    is decoded once and shared. Else the revisions of a long day's drawing would take memory and time by its
    square."""
    known: dict[bytes, Shape] = {}

    def decode(shapes: Sequence[bytes]) -> tuple[Shape, ...]:
        for text in shapes:
            if text not in known:
                known[text] = msgspec.json.decode(text, type=Shape)
        return tuple(map(known.__getitem__, shapes))

    return decode
