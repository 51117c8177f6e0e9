"""Boxes and exact affine maps between image, ROI and network input.

The half-pixel rule, stated once for the whole program: coordinates are continuous, ``x`` to the right and
``y`` down, and the pixel in column ``c`` and row ``r`` covers the square ``[c, c+1) x [r, r+1)``. Its centre
is ``(c + 0.5, r + 0.5)``. An image of ``W x H`` pixels covers the box ``(0, 0, W, H)``. A map between two pixel
grids is therefore a plain scaling of these boxes, without any offset of half a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

Point = tuple[float, float]
"""``(x, y)`` in continuous pixel coordinates of the frame that the context names."""


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """An axis-aligned box in continuous pixel coordinates; ``x1`` and ``y1`` are its far edges."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.x0, self.y0, self.x1, self.y1)):
            raise ValueError("a box needs finite coordinates")
        if self.x1 < self.x0 or self.y1 < self.y0:
            raise ValueError(f"a box needs x0 <= x1 and y0 <= y1, not {self}")

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        return self.width * self.height

    @property
    def centre(self) -> Point:
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def contains(self, point: Point) -> bool:
        return self.x0 <= point[0] <= self.x1 and self.y0 <= point[1] <= self.y1

    def intersection(self, other: Box) -> Box | None:
        """The common part, or None where the boxes do not overlap with a positive area."""
        x0, y0 = max(self.x0, other.x0), max(self.y0, other.y0)
        x1, y1 = min(self.x1, other.x1), min(self.y1, other.y1)
        return Box(x0=x0, y0=y0, x1=x1, y1=y1) if x0 < x1 and y0 < y1 else None

    def grown(self, by: float) -> Box:
        """The box with its edges moved outwards by ``by`` pixels on every side."""
        return Box(x0=self.x0 - by, y0=self.y0 - by, x1=self.x1 + by, y1=self.y1 + by)

    def corners(self) -> tuple[Point, Point, Point, Point]:
        return (self.x0, self.y0), (self.x1, self.y0), (self.x1, self.y1), (self.x0, self.y1)


def box_around(points: Iterable[Point]) -> Box:
    """The smallest box that holds the points; ValueError where there are none."""
    xs, ys = zip(*points, strict=True)
    return Box(x0=min(xs), y0=min(ys), x1=max(xs), y1=max(ys))


def square_around(box: Box, *, side: float) -> Box:
    """The square of the given side about the centre of ``box``."""
    x, y = box.centre
    return Box(x0=x - side / 2, y0=y - side / 2, x1=x + side / 2, y1=y + side / 2)


class Affine(msgspec.Struct, frozen=True, kw_only=True):
    """The map ``x' = a x + b y + c``, ``y' = d x + e y + f`` between two continuous frames."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def __call__(self, point: Point) -> Point:
        x, y = point
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    @property
    def determinant(self) -> float:
        return self.a * self.e - self.b * self.d

    @property
    def scale(self) -> float:
        """Return the number of target pixels that one source pixel spans (the geometric mean over directions)."""
        return math.sqrt(abs(self.determinant))

    def then(self, outer: Affine) -> Affine:
        """``outer`` applied after this map."""
        return Affine(
            a=outer.a * self.a + outer.b * self.d,
            b=outer.a * self.b + outer.b * self.e,
            c=outer.a * self.c + outer.b * self.f + outer.c,
            d=outer.d * self.a + outer.e * self.d,
            e=outer.d * self.b + outer.e * self.e,
            f=outer.d * self.c + outer.e * self.f + outer.f,
        )

    def inverse(self) -> Affine:
        det = self.determinant
        if det == 0:
            raise ValueError("this map flattens the plane and has no inverse")
        a, b, d, e = self.e / det, -self.b / det, -self.d / det, self.a / det
        return Affine(a=a, b=b, c=-(a * self.c + b * self.f), d=d, e=e, f=-(d * self.c + e * self.f))

    def of_box(self, box: Box) -> Box:
        """The smallest axis-aligned box around the mapped corners."""
        return box_around(self(corner) for corner in box.corners())


IDENTITY = Affine(a=1, b=0, c=0, d=0, e=1, f=0)


def box_to_box(source: Box, target: Box) -> Affine:
    """The map that carries ``source`` onto ``target``, edge onto edge."""
    sx, sy = target.width / source.width, target.height / source.height
    return Affine(a=sx, b=0, c=target.x0 - sx * source.x0, d=0, e=sy, f=target.y0 - sy * source.y0)


def box_to_grid(box: Box, *, width: int, height: int) -> Affine:
    """From the frame of ``box`` to the pixel grid of ``width x height`` that samples it (ROI -> input)."""
    return box_to_box(box, Box(x0=0, y0=0, x1=width, y1=height))
