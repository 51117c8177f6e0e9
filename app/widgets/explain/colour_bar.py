"""The colours of a scale, with its ends and what it is."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from app.qt.translation import tr
from app.widgets.explain.heat import HeatLook, colour_table
from app.widgets.explain.numbers import number

_RAMP = 8


class ColourBar(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = HeatLook()
        self._texts = ("", "", "")
        self.setFixedHeight(28)
        self.setAccessibleName(tr("Scale of the activation"))

    @property
    def ends(self) -> tuple[str, str]:
        """The numbers at the cold and the hot end."""
        return self._texts[0], self._texts[2]

    def show_scale(self, look: HeatLook, low: float, high: float, what: str) -> None:
        """``what``: which scale it is, in words."""
        self._look = look
        self._texts = (number(low), what, number(high))
        self.setAccessibleDescription(" ".join(self._texts))
        self.setToolTip(
            tr(
                "Similarity to the prototype: {what}, {low} to {high}",
                what=what,
                low=number(low),
                high=number(high),
            )
        )
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        bar = QRectF(0, 2, self.width(), _RAMP)
        ramp = QLinearGradient(bar.topLeft(), bar.topRight())
        table = colour_table(self._look.colours, 1.0)
        for step in range(0, 256, 15):
            ramp.setColorAt(step / 255, QColor.fromRgb(table[step]))
        painter.fillRect(bar, ramp)
        painter.setPen(self.palette().placeholderText().color())
        below = QRectF(0, _RAMP + 3, self.width(), self.height() - _RAMP - 3)
        low, what, high = self._texts
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, high)
        room = self.width() - painter.fontMetrics().horizontalAdvance(low + high) - 16
        middle = painter.fontMetrics().elidedText(what, Qt.TextElideMode.ElideRight, max(room, 0))
        painter.drawText(below, Qt.AlignmentFlag.AlignHCenter, middle)
        painter.end()
