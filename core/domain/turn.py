"""Turns of a picture's stored matrix for display: mirrored, upside down, rotated by quarters, or unchanged.

Scanners and archives store mammograms in either direction; Patient Orientation (0020,0020) gives it. A study
stores its pictures as they are displayed. Results sent back to an archive refer to the stored matrix.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Affine
from core.domain.shapes import Ellipse, Line, Polygon, Rectangle, Shape, Stroke

S = TypeVar("S", bound=Shape)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Transposed first (rows become columns), then mirrored left to right, then turned upside down."""

    transpose: bool = False
    mirror: bool = False
    flip: bool = False

    @classmethod
    def of(cls, code: str) -> Turn:
        """From the letters of ``code``. ValueError for any other text."""
        if set(code) - set("TMF") or len(set(code)) != len(code):
            raise ValueError(f"{code[:20]!r} is not a turn of an image")
        return cls(transpose="T" in code, mirror="M" in code, flip="F" in code)

    @property
    def code(self) -> str:
        """The letters T, M and F of what is done, in this order; "" where nothing is."""
        return "T" * self.transpose + "M" * self.mirror + "F" * self.flip

    @property
    def back(self) -> Turn:
        """The inverse."""
        if not self.transpose:
            return self
        # transposing exchanges what mirrors and what flips
        return Turn(transpose=True, mirror=self.flip, flip=self.mirror)

    def apply(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """The turned matrix, (rows, columns) first; a copy where anything changes."""
        turned = np.swapaxes(matrix, 0, 1) if self.transpose else matrix
        turned = turned[:, ::-1] if self.mirror else turned
        turned = turned[::-1] if self.flip else turned
        return np.ascontiguousarray(turned)

    def points(self, width: int, height: int) -> Affine:
        """From points in a picture of ``width x height`` to the same points of the turned picture."""
        a, b, d, e = (0.0, 1.0, 1.0, 0.0) if self.transpose else (1.0, 0.0, 0.0, 1.0)
        columns, rows = (height, width) if self.transpose else (width, height)
        c = f = 0.0
        if self.mirror:
            a, b, c = -a, -b, float(columns)
        if self.flip:
            d, e, f = -d, -e, float(rows)
        return Affine(a=a, b=b, c=c, d=d, e=e, f=f)

    def shape(self, shape: S, width: int, height: int) -> S:
        """A shape in a picture of ``width x height``, in the turned picture; widths stay as they are."""
        to = self.points(width, height)
        replace = msgspec.structs.replace
        match shape:
            case Rectangle(box=box):
                return replace(shape, box=to.of_box(box))
            case Ellipse(centre=centre, angle_deg=angle):
                return replace(shape, centre=to(centre), **self._axes(shape, angle, to))
            case Polygon(points=points) | Line(points=points) | Stroke(points=points):
                return replace(shape, points=tuple(to(point) for point in points))

    def _axes(self, shape: Ellipse, angle: float, to: Affine) -> dict[str, float]:
        """The radii and the angle of a turned ellipse; upright ones stay upright."""
        if angle == 0:
            first, second = shape.radius_x, shape.radius_y
            return {"radius_x": second, "radius_y": first} if self.transpose else {}
        x, y = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        return {"angle_deg": math.degrees(math.atan2(to.d * x + to.e * y, to.a * x + to.b * y))}
