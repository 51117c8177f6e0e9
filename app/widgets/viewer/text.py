"""Short texts on top of a picture, legible on any tissue."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from app.qt.colours import RIM, TEXT

PADDING = 5.0


def text_box(painter: QPainter, text: str) -> QRectF:
    """The size of the plate that ``draw_plate`` needs for the painter's font."""
    metrics = QFontMetricsF(painter.font())
    lines = text.split("\n")
    width = max(metrics.horizontalAdvance(line) for line in lines)
    return QRectF(0, 0, width + 2 * PADDING, metrics.lineSpacing() * len(lines) + PADDING)


def draw_plate(
    painter: QPainter, text: str, corner: QPointF, *, colour: QColor = TEXT, right: bool = False
) -> QRectF:
    """Text on a dark translucent plate; ``corner`` is its top left, or its top right. Returns the plate."""
    box = text_box(painter, text)
    box.moveTopRight(corner) if right else box.moveTopLeft(corner)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    plate = QColor(RIM)
    plate.setAlphaF(0.66)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(plate)
    painter.drawRoundedRect(box, 4, 4)
    painter.setPen(colour)
    side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
    inner = box.adjusted(PADDING, PADDING / 2, -PADDING, -PADDING / 2)
    painter.drawText(inner, int(side | Qt.AlignmentFlag.AlignVCenter), text)
    painter.restore()
    return box
