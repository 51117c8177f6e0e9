"""The field in which the worklist is searched: while somebody types; Esc empties it."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from app.qt.translation import tr
from app.widgets.line_field import LineField

_TYPING_MS = 120


class SearchField(LineField):
    typed = Signal()
    """Emitted when the text changed and the typing paused."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setPlaceholderText(tr("Search patient, file, view"))
        self.setAccessibleName(tr("Search in the worklist"))
        self.setClearButtonEnabled(True)
        self._pause = QTimer(self, singleShot=True, interval=_TYPING_MS)
        self._pause.timeout.connect(self.typed)
        self.textChanged.connect(lambda _text: self._pause.start())
        self.escaped.connect(self.clear)

    def end_pause(self) -> None:
        """Do not emit ``typed`` for what was typed so far."""
        self._pause.stop()
