"""Fields for numbers with a distance between text and border: a style sheet cannot set it for the inner field."""

from __future__ import annotations

from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox, QWidget

_AIR = 6


class NumberField(QSpinBox):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lineEdit().setTextMargins(_AIR, 0, _AIR, 0)


class DecimalField(QDoubleSpinBox):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lineEdit().setTextMargins(_AIR, 0, _AIR, 0)
