"""Words on the screen that are never taken for markup: names, comments and files are foreign.

A QLabel guesses, and a name such as ``<img src="...">`` would be read as a picture to load.
"""

from __future__ import annotations

from PySide6 import QtGui
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Label(QLabel):
    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setText(text)


class Elided(Label):
    """A sentence that takes the room there is, cut at its end where that is too little; whole in its tip."""

    sentence = ""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, sentence: str) -> None:
        self.sentence = sentence
        self.setToolTip(tip(sentence))
        self.setAccessibleName(sentence)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setText(self.fontMetrics().elidedText(self.sentence, Qt.TextElideMode.ElideRight, self.width()))


def tip(text: str) -> str:
    """For a tool tip, which Qt reads as markup where it looks like it; what does not is left as it is."""
    return QtGui.Qt.convertFromPlainText(text) if QtGui.Qt.mightBeRichText(text) else text


def in_title(name: str) -> str:
    """For the title of a window: one line of at most 120 characters, without what steers or turns the reading."""
    kept = "".join(c if c.isprintable() and c not in _TURNING else "\ufffd" for c in name)
    # Qt's own mark of a changed document
    kept = kept.replace("[*]", "[[*]")
    return kept if len(kept) <= 120 else f"{kept[:119]}…"
