"""The viewport as the widget paints it: between image points, device pixels and Qt's logical coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRect
from PySide6.QtGui import QPainter, QTransform

from app.widgets.viewer.viewport import Viewport
from core.domain.geometry import Box, Point


@dataclass(frozen=True)
class ViewTransform:
    viewport: Viewport
    ratio: float
    """Device pixels in a logical one."""
    moving: bool = field(default=False, compare=False)
    """Flag: the next zoom is imminent, so costly parts may be painted roughly until the zoom rests."""

    @property
    def scale(self) -> float:
        """Logical pixels in a pixel of the image."""
        return self.viewport.zoom / self.ratio

    def to_widget(self, point: Point) -> QPointF:
        x, y = self.viewport.image_to_view(point)
        return QPointF(x / self.ratio, y / self.ratio)

    def to_image(self, point: QPointF) -> Point:
        return self.viewport.view_to_image((point.x() * self.ratio, point.y() * self.ratio))

    def device_rect(self, box: Box, *, margin: float = 2.0) -> QRect:
        """The whole device pixels that ``box`` and a margin (device pixels) touch, within the view."""
        on_view = self.viewport.image_to_view.of_box(box).grown(margin)
        view = QRect(0, 0, self.viewport.width, self.viewport.height)
        limit = 1_000_000.0
        x0, y0 = (math.floor(min(max(v, -limit), limit)) for v in (on_view.x0, on_view.y0))
        x1, y1 = (math.ceil(min(max(v, -limit), limit)) for v in (on_view.x1, on_view.y1))
        return QRect(x0, y0, x1 - x0, y1 - y0).intersected(view)

    def widget_rect(self, box: Box, *, margin: float = 2.0) -> QRect:
        """The whole logical pixels that ``box`` and a margin (logical pixels) touch."""
        rect = self.device_rect(box, margin=margin * self.ratio)
        x0, y0 = math.floor(rect.left() / self.ratio), math.floor(rect.top() / self.ratio)
        x1 = math.ceil((rect.left() + rect.width()) / self.ratio)
        y1 = math.ceil((rect.top() + rect.height()) / self.ratio)
        return QRect(x0, y0, x1 - x0, y1 - y0)

    @property
    def image_transform(self) -> QTransform:
        """From image to device coordinates."""
        m = self.viewport.image_to_view
        return QTransform(m.a, 0.0, 0.0, m.e, m.c, m.f)

    @contextmanager
    def device_pixels(self, painter: QPainter) -> Iterator[None]:
        """Painting in device pixels, so that tiles are copied and never resampled."""
        painter.save()
        painter.scale(1 / self.ratio, 1 / self.ratio)
        yield
        painter.restore()
