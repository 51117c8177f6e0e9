"""An activation map over a mammogram, with its outlines, boxes and the linked cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QImage, QPainter, QTransform

from app.widgets.explain.heat import draw_box, draw_cross, draw_outline
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import IDENTITY, Affine, Box
from core.explain.panel import Outline


@dataclass(frozen=True, kw_only=True)
class MapLine:
    """A closed line over the picture, in pixels of the network's input."""

    corners: Outline
    colour: QColor


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A box over the picture, in pixels of the network's input."""

    box: Box
    colour: QColor
    dashed: bool = False


class MapLayer:
    """Map layer in pixels of the network's input; ``set_place`` sets the place of that input in the mammogram."""

    def __init__(self) -> None:
        self._to_input: Affine = IDENTITY
        self._side = 1
        self.heat: QImage | None = None
        self.lines: Sequence[MapLine] = ()
        self.frames: Sequence[Frame] = ()
        self.cross: QPointF | None = None

    def set_place(self, image_to_input: Affine, side: int) -> None:
        """``side``: pixels of the input along each axis."""
        self._to_input, self._side = image_to_input, side

    def to_widget(self, sight: ViewTransform) -> QTransform:
        """From pixels of the input to logical pixels of the view."""
        back = self._to_input.inverse()
        corner, far = sight.to_widget(back((0.0, 0.0))), sight.to_widget(back((1.0, 1.0)))
        scale = far - corner
        return QTransform(scale.x(), 0.0, 0.0, scale.y(), corner.x(), corner.y())

    def paint(self, painter: QPainter, sight: ViewTransform, exposed: QRect) -> None:
        frame = self.to_widget(sight)
        place = frame.mapRect(QRectF(0, 0, self._side, self._side))
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setClipRect(exposed)
        if self.heat is not None:
            painter.drawImage(place, self.heat)
        for line in self.lines:
            draw_outline(painter, line.corners, frame, line.colour)
        for box in self.frames:
            draw_box(painter, box.box, frame, box.colour, dashed=box.dashed)
        if self.cross is not None:
            draw_cross(painter, frame.map(self.cross), QRectF(painter.viewport()))
        painter.restore()
