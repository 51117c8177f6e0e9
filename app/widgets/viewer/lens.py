"""A round magnifier that follows the pointer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from app.qt.colours import RIM, TEXT
from app.widgets.viewer.picture import Picture
from app.widgets.viewer.renderer import Renderer
from app.widgets.viewer.view_transform import ViewTransform
from app.widgets.viewer.viewport import LARGEST_ZOOM, Viewport

RADIUS = 120
"""Logical pixels."""
MAGNIFICATION = 2.5


class Lens:
    """Shows the picture ``MAGNIFICATION`` times as large as the view does, at least one to one."""

    def __init__(self, picture: Picture) -> None:
        self._renderer = Renderer(picture.levels)
        self._place: QPointF | None = None

    def move_to(self, place: QPointF | None) -> tuple[QRect, QRect]:
        """The areas, in logical pixels, that must be painted anew."""
        before, self._place = self.area, place
        return before, self.area

    @property
    def area(self) -> QRect:
        if self._place is None:
            return QRect()
        reach = RADIUS + 3
        return QRectF(self._place.x() - reach, self._place.y() - reach, 2 * reach, 2 * reach).toAlignedRect()

    def paint(self, painter: QPainter, sight: ViewTransform, table: NDArray[np.uint8], outside: int) -> None:
        if self._place is None:
            return
        side = round(2 * RADIUS * sight.ratio)
        zoom = min(max(sight.viewport.zoom * MAGNIFICATION, sight.ratio), LARGEST_ZOOM)
        viewport = Viewport(width=side, height=side, zoom=zoom, centre=sight.to_image(self._place))
        image = self._renderer.render(viewport, table, outside)
        image.setDevicePixelRatio(sight.ratio)
        round_path = QPainterPath()
        round_path.addEllipse(self._place, RADIUS, RADIUS)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipPath(round_path)
        painter.drawImage(self._place - QPointF(RADIUS, RADIUS), image)
        painter.setClipping(False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((RIM, 4.0), (QColor(TEXT), 1.6)):
            painter.setPen(QPen(colour, width))
            painter.drawEllipse(self._place, RADIUS, RADIUS)
        painter.restore()
