"""Painting the area of shapes: a thin rim around all they cover together and a faint tint within, so that the
margin under the annotation stays visible."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF, QTransform

from app.qt.colours import OF_ROLE
from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke
from core.imaging.opencv import cv2

T = TypeVar("T")
UInt8 = NDArray[np.uint8]
_Mode = QPainter.CompositionMode
_OPACITY = 3 if sys.byteorder == "little" else 0
"""The byte of a pixel that is its opacity."""


@lru_cache(maxsize=8)
def polygon_of(points: tuple[Point, ...]) -> QPolygonF:
    """For the few outlines that are painted again with every frame. Few: what is drawn all day would stay."""
    return _polygon(points)


class Thinned:
    """Simplified shapes for painting at a zoom, computed once for each shape and released with it."""

    def __init__(self) -> None:
        # by identity: the points of a long line take longer to hash than to thin; the shape is held, so that
        # its identity is nobody else's
        self._of: dict[int, tuple[Shape, int, Any]] = {}

    def way(self, line: Line, level: int) -> QPolygonF:
        """Along the points that are left where ``2 ** level`` device pixels show an image pixel."""
        return self._once(line, level, lambda: _polygon([line.points[i] for i in _kept_at(line.points, level)]))

    def dabs(self, stroke: Stroke, level: int) -> tuple[int, ...]:
        """Which points are left."""
        return self._once(stroke, level, lambda: _kept_at(stroke.points, level))

    def outline(self, polygon: Polygon) -> QPolygonF:
        """All of its points."""
        return self._once(polygon, 0, lambda: _polygon(polygon.points))

    def _once(self, shape: Shape, level: int, make: Callable[[], T]) -> T:
        held = self._of.get(id(shape))
        if held is None or held[1] != level:
            held = self._of[id(shape)] = (shape, level, make())
        found: T = held[2]
        return found

    def keep_only(self, shapes: Iterable[Shape]) -> None:
        shown = {id(shape) for shape in shapes}
        self._of = {key: held for key, held in self._of.items() if key in shown}


def _polygon(points: Sequence[Point]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points])


def _kept_at(points: tuple[Point, ...], level: int) -> tuple[int, ...]:
    """Which points are worth drawing: none closer than half a device pixel to the one before."""
    least = (0.5 / 2.0**level) ** 2
    kept = [0]
    x, y = points[0]
    for i in range(1, len(points) - 1):
        dx, dy = points[i][0] - x, points[i][1] - y
        if dx * dx + dy * dy >= least:
            kept.append(i)
            x, y = points[i]
    return (*kept, len(points) - 1) if len(points) > 1 else (0,)


def cover(painter: QPainter, shape: Shape, colour: QColor, thinned: Thinned, *, spacing_mm: float | None) -> None:
    """Fill what ``shape`` covers; the painter is in the image's frame."""
    level = math.floor(math.log2(painter.transform().m11()))
    match shape:
        case Line(width=width):
            _cover_line(painter, thinned.way(shape, level), width.in_pixels(spacing_mm), colour)
        case Stroke(points=points, widths=widths, unit=unit):
            kept = thinned.dabs(shape, level)
            across = [Length(value=widths[i], unit=unit).in_pixels(spacing_mm) for i in kept]
            _cover_stroke(painter, [points[i] for i in kept], across, colour)
        case Ellipse(centre=centre, radius_x=rx, radius_y=ry, angle_deg=angle):
            painter.save()
            painter.translate(*centre)
            painter.rotate(angle)
            _fill(painter, colour)
            painter.drawEllipse(QPointF(0, 0), rx, ry)
            painter.restore()
        case Rectangle(box=b):
            _fill(painter, colour)
            painter.drawRect(QRectF(b.x0, b.y0, b.width, b.height))
        case Polygon():
            _fill(painter, colour)
            painter.drawPolygon(thinned.outline(shape), Qt.FillRule.OddEvenFill)


def _fill(painter: QPainter, colour: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)


def _cover_line(painter: QPainter, way: QPolygonF, across: float, colour: QColor) -> None:
    if way.count() <= 2 and way.first() == way.last():
        _fill(painter, colour)
        painter.drawEllipse(way.first(), across / 2, across / 2)
        return
    pen = QPen(colour, across, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(way)


def _cover_stroke(painter: QPainter, points: Sequence[Point], across: Sequence[float], colour: QColor) -> None:
    _fill(painter, colour)
    for point, width in zip(points, across, strict=True):
        painter.drawEllipse(QPointF(*point), width / 2, width / 2)
    for i in range(len(points) - 1):
        _join(painter, points[i], points[i + 1], across[i] / 2, across[i + 1] / 2)


def _join(painter: QPainter, a: Point, b: Point, ra: float, rb: float) -> None:
    """The quadrilateral between the discs of two neighbouring dabs, along their common tangents."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    if length <= abs(ra - rb):
        return
    ex, ey, s = dx / length, dy / length, (ra - rb) / length
    c = math.sqrt(1 - s * s)
    corners = [
        QPointF(p[0] + r * (s * ex - side * c * ey), p[1] + r * (s * ey + side * c * ex))
        for p, r, side in ((a, ra, 1), (b, rb, 1), (b, rb, -1), (a, ra, -1))
    ]
    painter.drawPolygon(QPolygonF(corners))


class Bands:
    """Two tiles of the view's size: what is covered, and the picture of it."""

    TINT = 0.2
    RIM = 1.5
    """Logical pixels."""

    def __init__(self, width: int, height: int, *, ratio: float) -> None:
        self._covered, self._coverage = _tile(width, height)
        self.picture, self._pixels = _tile(width, height)
        self.thinned = Thinned()
        self._rim = max(round(self.RIM * ratio), 1)
        self._kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * self._rim + 1, 2 * self._rim + 1))
        # what is left of the coverage where nothing of it is rim
        self._share = np.round(255 - (1 - self.TINT) * np.arange(256)).astype(np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.width(), self.picture.height()

    @property
    def reach(self) -> int:
        """Device pixels by which a change shows beyond itself."""
        return self._rim + 1

    def clear(self, rect: QRect) -> None:
        for pixels in (self._coverage, self._pixels):
            _part(pixels, rect)[...] = 0

    def draw(self, shapes: list[Shape], rect: QRect, to_view: QTransform, spacing_mm: float | None) -> None:
        """Add shapes in drawing order, within ``rect`` (device pixels)."""
        painter = QPainter(self._covered)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(rect)
        painter.setTransform(to_view)
        for shape in shapes:
            erases = shape.erases
            painter.setCompositionMode(
                _Mode.CompositionMode_DestinationOut if erases else _Mode.CompositionMode_SourceOver
            )
            cover(painter, shape, OF_ROLE[shape.role], self.thinned, spacing_mm=spacing_mm)
        painter.end()

    def compose(self, rect: QRect) -> None:
        """Put the picture together within ``rect``: the rim as it is, what lies within it tinted."""
        view = QRect(0, 0, *self.size)
        wide = rect.adjusted(-self._rim, -self._rim, self._rim, self._rim).intersected(view)
        if rect.isEmpty() or wide.isEmpty():
            return
        alpha = cv2.extractChannel(_part(self._coverage, wide), _OPACITY)
        # beyond the view the coverage goes on: the view's edge is no rim
        within: UInt8 = cv2.erode(alpha, self._kernel)  # type: ignore[assignment]
        share = cv2.LUT(_part(within, rect.translated(-wide.topLeft())), self._share)
        cv2.multiply(
            _part(self._coverage, rect), cv2.merge([share] * 4), dst=_part(self._pixels, rect), scale=1 / 255
        )


def _part(array: UInt8, rect: QRect) -> UInt8:
    return array[rect.top() : rect.bottom() + 1, rect.left() : rect.right() + 1]


def _tile(width: int, height: int) -> tuple[QImage, UInt8]:
    """A transparent image, and its bytes ``(height, width, 4)`` in the same memory."""
    pixels = np.zeros((height, width, 4), np.uint8)
    image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_ARGB32_Premultiplied)
    return image, pixels
