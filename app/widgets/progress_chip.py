"""A word with a thin bar under it, in the status line: long work that goes on behind every screen."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QToolButton, QWidget

_BAR = 3.0


class ProgressChip(QToolButton):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._share: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self.hide()

    def show_work(self, text: str, share: float | None) -> None:
        """``share`` of the work that is done, from 0 to 1; None: no bar. Hidden without a text."""
        self._share = share
        self.setText(text.replace("&", "&&"))
        self.setAccessibleName(text)
        self.setVisible(bool(text))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._share is None:
            return
        painter, palette = QPainter(self), self.palette()
        bar = QRectF(6, self.height() - _BAR - 1, self.width() - 12, _BAR)
        painter.fillRect(bar, palette.color(QPalette.ColorRole.Mid))
        bar.setWidth(bar.width() * min(max(self._share, 0.0), 1.0))
        painter.fillRect(bar, palette.color(QPalette.ColorRole.Highlight))
