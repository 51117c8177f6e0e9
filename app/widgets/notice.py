"""One sentence in the place of what cannot be shown, or not yet, with at most one thing to do about it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.widgets.label import Label


class Notice(QWidget):
    pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._text, self._button = Label(), Label(), QPushButton()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(280)
        self._bar.hide()
        self._title.setObjectName("title")
        self._text.setObjectName("faint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 24)
        layout.addStretch(2)
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            layout.addWidget(label)
            layout.addSpacing(8)
        for widget in (self._bar, self._button):
            layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
            layout.addSpacing(8)
        layout.addStretch(3)
        self._button.clicked.connect(self.pressed)

    @property
    def text(self) -> str:
        return self._text.text()

    def say(self, title: str, text: str, button: str = "") -> None:
        self._title.setText(title)
        self._text.setText(text)
        self._button.setText(button)
        self._button.setVisible(bool(button))
        self._bar.hide()

    def show_progress(self, text: str, done: int, total: int) -> None:
        """Show the current step beneath the title; ``total`` 0: the amount of work is unknown."""
        self._text.setText(text)
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        self._bar.show()

    @property
    def button(self) -> QPushButton:
        return self._button
