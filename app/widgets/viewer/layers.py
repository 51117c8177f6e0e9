"""Layers over the picture: the reader's shapes, the lesion's outline, masks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QTransform, qRgba

from app.qt.colours import LESION, MASK, RIM
from app.widgets.viewer.bands import Bands, polygon_of
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Affine, Box, box_around
from core.domain.shapes import Ellipse, Polygon, Rectangle, Shape, bounds
from core.domain.study import LesionOutline
from core.imaging.opencv import cv2

UInt8 = NDArray[np.uint8]
_MOST_SCALED = 4.0
"""By which a tile may stand in for the one at another zoom while the wheel turns."""


class Layer(Protocol):
    def paint(self, painter: QPainter, sight: ViewTransform, exposed: QRect) -> None:
        """Paint what ``exposed`` (logical pixels) shows."""


class ShapesLayer:
    """The fine annotation. Its tile is kept between frames and repaired where shapes change."""

    def __init__(self, changed: Callable[[Box], None], spacing_mm: float | None = None) -> None:
        self._changed = changed
        self._spacing_mm = spacing_mm
        self._shapes: tuple[Shape, ...] = ()
        self._hidden: frozenset[int] = frozenset()
        self._live: list[Shape] = []
        self._bands: Bands | None = None
        self._sight: ViewTransform | None = None
        self._stale: Box | None = None
        self._used: Box | None = None
        self.opacity = 1.0

    @property
    def spacing_mm(self) -> float | None:
        return self._spacing_mm

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self._shapes

    def set_spacing(self, spacing_mm: float | None) -> None:
        """For another image; its shapes come with ``set_shapes``."""
        self._spacing_mm, self._bands = spacing_mm, None

    def set_shapes(self, shapes: tuple[Shape, ...], hidden: frozenset[int] = frozenset()) -> None:
        """Show these shapes but for the hidden ones (which a tool draws while they are dragged)."""
        before, after = self._shown(), [s for i, s in enumerate(shapes) if i not in hidden]
        self._shapes, self._hidden = shapes, hidden
        self._touch(_difference(before, after))

    def set_live(self, shapes: tuple[Shape, ...]) -> None:
        """Set the shapes that are being drawn, replacing the previous ones."""
        before, self._live = self._live, list(shapes)
        self._touch(_difference(before, self._live))

    def add_live(self, piece: Shape) -> None:
        """One more piece of a stroke under the pen: drawn on top of the tile, nothing else is touched."""
        self._live.append(piece)
        box = bounds(piece, self._spacing_mm)
        self._used = _hull(self._used, box)
        if self._bands is not None and self._sight is not None:
            rect = self._sight.device_rect(box, margin=self._bands.reach)
            self._bands.draw([piece], rect, self._sight.image_transform, self._spacing_mm)
            self._bands.compose(rect)
        self._changed(box)

    def paint(self, painter: QPainter, sight: ViewTransform, exposed: QRect) -> None:
        if not (self._shapes or self._live):
            return
        if sight.moving and self._paint_scaled(painter, sight):
            return
        self._refresh(sight)
        if self._bands is None or self._used is None:
            return
        rect = sight.device_rect(self._used).intersected(_device(exposed, sight))
        if rect.isEmpty():
            return
        with sight.device_pixels(painter):
            painter.setOpacity(self.opacity)
            painter.drawImage(rect.topLeft(), self._bands.picture, rect)

    def _paint_scaled(self, painter: QPainter, sight: ViewTransform) -> bool:
        """The tile as it was before the zoom, enlarged or shrunk: drawing the shapes anew for each notch of the
        wheel takes longer than a frame. False where the tile shows too little of what is in view now."""
        before = self._sight
        if (
            self._bands is None
            or before is None
            or self._stale is not None
            or self._used is None
            or sight == before
        ):
            return False
        change = sight.viewport.zoom / before.viewport.zoom
        if not 1 / _MOST_SCALED <= change <= _MOST_SCALED:
            return False
        source = before.device_rect(self._used)
        corners = (source.topLeft(), source.bottomRight() + QPoint(1, 1))
        held = box_around(before.viewport.view_to_image((corner.x(), corner.y())) for corner in corners)
        seen = sight.viewport.view_to_image.of_box(
            Box(x0=0, y0=0, x1=sight.viewport.width, y1=sight.viewport.height)
        )
        wanted = self._used.intersection(seen)
        if wanted is None:
            return True
        if not source.isValid() or not _holds(held, wanted):
            return False
        on_view = sight.viewport.image_to_view.of_box(held)
        target = QRectF(on_view.x0, on_view.y0, on_view.width, on_view.height)
        with sight.device_pixels(painter):
            painter.setOpacity(self.opacity)
            painter.drawImage(target, self._bands.picture, QRectF(source))
        return True

    def _shown(self) -> list[Shape]:
        return [shape for i, shape in enumerate(self._shapes) if i not in self._hidden]

    def _touch(self, shapes: list[Shape]) -> None:
        box = None
        for shape in shapes:
            box = _hull(box, bounds(shape, self._spacing_mm))
        if box is not None:
            self._stale = _hull(self._stale, box)
            self._used = _hull(self._used, box)
            self._changed(box)
        if self._bands is not None:
            self._bands.thinned.keep_only((*self._shapes, *self._live))

    def _refresh(self, sight: ViewTransform) -> None:
        """Bring the tile up to date: all of it for another viewport, else where shapes changed."""
        size = (sight.viewport.width, sight.viewport.height)
        if self._bands is None or self._bands.size != size:
            self._bands, self._sight = Bands(*size, ratio=sight.ratio), None
        clean = sight != self._sight
        if clean:
            if self._sight is not None and self._used is not None:
                self._bands.clear(self._sight.device_rect(self._used, margin=self._bands.reach))
            self._sight = sight
            everything = [*self._shown(), *self._live]
            self._used = None
            for shape in everything:
                self._used = _hull(self._used, bounds(shape, self._spacing_mm))
            self._stale = self._used
        if self._stale is None:
            return
        rect = sight.device_rect(self._stale, margin=self._bands.reach)
        self._stale = None
        if rect.isEmpty():
            return
        if not clean:
            self._bands.clear(rect)
        area = sight.viewport.view_to_image.of_box(
            Box(x0=rect.left(), y0=rect.top(), x1=rect.right() + 1, y1=rect.bottom() + 1)
        )
        near = [s for s in (*self._shown(), *self._live) if _meets(bounds(s, self._spacing_mm), area)]
        self._bands.draw(near, rect, sight.image_transform, self._spacing_mm)
        self._bands.compose(rect)


class OutlineLayer:
    """The lesion's box, circle or contour, as a dashed line."""

    def __init__(self, colour: QColor = LESION) -> None:
        self.outline: LesionOutline | None = None
        self._colour = colour

    def paint(self, painter: QPainter, sight: ViewTransform, exposed: QRect) -> None:
        if self.outline is None or not sight.widget_rect(bounds(self.outline), margin=4).intersects(exposed):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width, style in (
            (RIM, 3.0, Qt.PenStyle.SolidLine),
            (self._colour, 1.6, Qt.PenStyle.CustomDashLine),
        ):
            shade = QColor(colour)
            shade.setAlphaF(0.3 if colour is RIM else 1.0)
            pen = QPen(shade, width, style)
            if style == Qt.PenStyle.CustomDashLine:
                pen.setDashPattern([6, 3])
            painter.setPen(pen)
            draw_outline(painter, self.outline, sight)
        painter.restore()


def draw_outline(painter: QPainter, shape: Shape, sight: ViewTransform) -> None:
    """The outline of an area, or the middle of a line, with the painter's pen in logical pixels."""
    match shape:
        case Rectangle(box=b):
            painter.drawRect(QRectF(sight.to_widget((b.x0, b.y0)), sight.to_widget((b.x1, b.y1))))
        case Ellipse(centre=centre, radius_x=rx, radius_y=ry, angle_deg=angle):
            painter.save()
            painter.translate(sight.to_widget(centre))
            painter.rotate(angle)
            painter.drawEllipse(QPointF(0, 0), rx * sight.scale, ry * sight.scale)
            painter.restore()
        case Polygon(points=points):
            painter.drawPolygon(_on_widget(sight).map(polygon_of(points)))
        case _:
            painter.drawPolyline(_on_widget(sight).map(polygon_of(shape.points)))


class MaskLayer:
    """A mask of any grid, as an indexed tile of the visible part, tinted."""

    def __init__(self, colour: QColor = MASK, opacity: float = 0.35) -> None:
        self._mask: UInt8 | None = None
        self._to_mask: Affine | None = None
        self._tile = QImage()
        self._tile_for: tuple[ViewTransform, QRect, float] | None = None
        self._colour = colour
        self.opacity = opacity

    def set_mask(self, mask: UInt8 | None, image_to_mask: Affine | None = None) -> None:
        """``(height, width)``, 1 where marked; ``image_to_mask`` leads from image points to its grid."""
        self._mask, self._to_mask, self._tile_for = mask, image_to_mask, None

    def paint(self, painter: QPainter, sight: ViewTransform, exposed: QRect) -> None:
        if self._mask is None or self._to_mask is None:
            return
        height, width = self._mask.shape
        box = self._to_mask.inverse().of_box(Box(x0=0, y0=0, x1=width, y1=height))
        rect = sight.device_rect(box, margin=0)
        if rect.isEmpty():
            return
        if self._tile_for != (sight, rect, self.opacity):
            self._tile = self._resampled(self._mask, self._to_mask, sight, rect)
            self._tile_for = (sight, rect, self.opacity)
        with sight.device_pixels(painter):
            painter.drawImage(rect.topLeft(), self._tile)

    def _resampled(self, mask: UInt8, to_mask: Affine, sight: ViewTransform, rect: QRect) -> QImage:
        m = sight.viewport.view_to_image.then(to_mask)
        x, y = rect.left() + 0.5, rect.top() + 0.5
        matrix = np.array([[m.a, m.b, m.a * x + m.b * y + m.c - 0.5], [m.d, m.e, m.d * x + m.e * y + m.f - 0.5]])
        tile = cv2.warpAffine(
            np.minimum(mask, 1),
            matrix,
            (rect.width(), rect.height()),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        )
        rows, columns = tile.shape
        image = QImage(tile.data, columns, rows, tile.strides[0], QImage.Format.Format_Indexed8)
        c = self._colour
        image.setColorTable([0, qRgba(c.red(), c.green(), c.blue(), round(255 * self.opacity))])
        # painted many times while the window is dragged: an indexed image is slow to paint
        return image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)


def _on_widget(sight: ViewTransform) -> QTransform:
    transform = sight.image_transform
    return transform * QTransform.fromScale(1 / sight.ratio, 1 / sight.ratio)


def _device(rect: QRect, sight: ViewTransform) -> QRect:
    r = sight.ratio
    x0, y0 = math.floor(rect.left() * r), math.floor(rect.top() * r)
    x1, y1 = math.ceil((rect.left() + rect.width()) * r), math.ceil((rect.top() + rect.height()) * r)
    return QRect(x0, y0, x1 - x0, y1 - y0)


def _hull(a: Box | None, b: Box) -> Box:
    if a is None:
        return b
    return Box(x0=min(a.x0, b.x0), y0=min(a.y0, b.y0), x1=max(a.x1, b.x1), y1=max(a.y1, b.y1))


def _meets(a: Box, b: Box) -> bool:
    return a.x0 <= b.x1 and b.x0 <= a.x1 and a.y0 <= b.y1 and b.y0 <= a.y1


def _holds(outer: Box, inner: Box) -> bool:
    return outer.x0 <= inner.x0 and outer.y0 <= inner.y0 and outer.x1 >= inner.x1 and outer.y1 >= inner.y1


def _difference(before: list[Shape], after: list[Shape]) -> list[Shape]:
    """The shapes between the common beginning and the common end of two lists: the only ones that changed."""
    start = 0
    while start < min(len(before), len(after)) and before[start] is after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] is after[-1 - end]:
        end += 1
    return before[start : len(before) - end] + after[start : len(after) - end]
