"""Painting the area of shapes: a thin rim around all they cover together and a faint tint within, so that the
margin under the annotation stays visible."""

from __future__ import annotations

import math
from functools import lru_cache

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF, QTransform

from app.qt.colours import OF_ROLE
from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke

_Mode = QPainter.CompositionMode


@lru_cache(maxsize=2048)
def polygon_of(points: tuple[Point, ...]) -> QPolygonF:
    return QPolygonF([QPointF(x, y) for x, y in points])


def cover(painter: QPainter, shape: Shape, colour: QColor, *, inset: float, spacing_mm: float | None) -> None:
    """Fill what ``shape`` covers, its edge drawn in by ``inset``; all in pixels of the image, as the painter is.

    The edge of a polygon stays (see ``Bands``).
    """
    match shape:
        case Line(points=points, width=width):
            _cover_line(painter, points, width.in_pixels(spacing_mm) - 2 * inset, colour)
        case Stroke(points=points, widths=widths, unit=unit):
            across = [Length(value=w, unit=unit).in_pixels(spacing_mm) - 2 * inset for w in widths]
            _cover_stroke(painter, points, across, colour)
        case Ellipse(centre=centre, radius_x=rx, radius_y=ry, angle_deg=angle):
            if min(rx, ry) > inset:
                painter.save()
                painter.translate(*centre)
                painter.rotate(angle)
                _fill(painter, colour)
                painter.drawEllipse(QPointF(0, 0), rx - inset, ry - inset)
                painter.restore()
        case Rectangle(box=b):
            _fill(painter, colour)
            if min(b.width, b.height) > 2 * inset:
                painter.drawRect(QRectF(b.x0, b.y0, b.width, b.height).adjusted(inset, inset, -inset, -inset))
        case Polygon(points=points):
            _fill(painter, colour)
            painter.drawPolygon(polygon_of(points), Qt.FillRule.OddEvenFill)


def _fill(painter: QPainter, colour: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)


def _cover_line(painter: QPainter, points: tuple[Point, ...], across: float, colour: QColor) -> None:
    if across <= 0:
        return
    if len(points) == 1 or points.count(points[0]) == len(points):
        _fill(painter, colour)
        painter.drawEllipse(QPointF(*points[0]), across / 2, across / 2)
        return
    pen = QPen(colour, across, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(polygon_of(points))


def _cover_stroke(painter: QPainter, points: tuple[Point, ...], across: list[float], colour: QColor) -> None:
    _fill(painter, colour)
    for point, width in zip(points, across, strict=True):
        if width > 0:
            painter.drawEllipse(QPointF(*point), width / 2, width / 2)
    for i in range(len(points) - 1):
        if across[i] > 0 and across[i + 1] > 0:
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
    """Three tiles of the view's size: what is covered, what is covered less a rim, and both put together."""

    TINT = 0.22
    RIM = 1.6
    """Device-independent pixels."""

    def __init__(self, width: int, height: int, *, rim: float) -> None:
        self._covered, self._within, self.picture = (_tile(width, height) for _ in range(3))
        self._rim = rim

    @property
    def size(self) -> tuple[int, int]:
        return self.picture.width(), self.picture.height()

    def clear(self, rect: QRect) -> None:
        for tile in (self._covered, self._within, self.picture):
            painter = QPainter(tile)
            painter.setCompositionMode(_Mode.CompositionMode_Clear)
            painter.fillRect(rect, Qt.GlobalColor.black)
            painter.end()

    def draw(self, shapes: list[Shape], rect: QRect, to_view: QTransform, spacing_mm: float | None) -> None:
        """Add shapes in drawing order, within ``rect`` (device pixels)."""
        rim = self._rim / to_view.m11()
        for tile, inset in ((self._covered, 0.0), (self._within, rim)):
            painter = QPainter(tile)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setClipRect(rect)
            painter.setTransform(to_view)
            for shape in shapes:
                if shape.erases:
                    painter.setCompositionMode(_Mode.CompositionMode_DestinationOut)
                    cover(painter, shape, QColor(0, 0, 0), inset=-inset, spacing_mm=spacing_mm)
                    painter.setCompositionMode(_Mode.CompositionMode_SourceOver)
                elif inset and isinstance(shape, Polygon):
                    self._draw_polygon_within(painter, shape, rim, rect, to_view)
                else:
                    cover(painter, shape, OF_ROLE[shape.role], inset=inset, spacing_mm=spacing_mm)
            painter.end()

    def compose(self, rect: QRect) -> None:
        """Put the picture together within ``rect``: the rim opaque, what is within tinted."""
        painter = QPainter(self.picture)
        painter.setCompositionMode(_Mode.CompositionMode_Source)
        painter.drawImage(rect.topLeft(), self._covered, rect)
        painter.setCompositionMode(_Mode.CompositionMode_DestinationOut)
        painter.drawImage(rect.topLeft(), self._within, rect)
        painter.setCompositionMode(_Mode.CompositionMode_DestinationOver)
        painter.setOpacity(self.TINT)
        painter.drawImage(rect.topLeft(), self._within, rect)
        painter.end()

    def _draw_polygon_within(
        self, painter: QPainter, polygon: Polygon, rim: float, rect: QRect, to_view: QTransform
    ) -> None:
        """A polygon less its rim: filled on a tile of its own, its outline taken away there."""
        corners = polygon_of(polygon.points)
        area = to_view.mapRect(corners.boundingRect()).toAlignedRect().intersected(rect)
        if area.isEmpty():
            return
        alone = _tile(area.width(), area.height())
        inner = QPainter(alone)
        inner.setRenderHint(QPainter.RenderHint.Antialiasing)
        inner.translate(-area.topLeft())
        inner.setTransform(to_view, True)
        _fill(inner, OF_ROLE[polygon.role])
        inner.drawPolygon(corners, Qt.FillRule.OddEvenFill)
        inner.setCompositionMode(_Mode.CompositionMode_DestinationOut)
        inner.setPen(QPen(QColor(0, 0, 0), 2 * rim, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        inner.setBrush(Qt.BrushStyle.NoBrush)
        inner.drawPolygon(corners)
        inner.end()
        painter.save()
        painter.resetTransform()
        painter.drawImage(area.topLeft(), alone)
        painter.restore()


def _tile(width: int, height: int) -> QImage:
    tile = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
    tile.fill(Qt.GlobalColor.transparent)
    return tile
