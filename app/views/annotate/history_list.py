"""The history of a lesion's annotation: every revision, what names were given, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from app.qt.formatting import local_time
from app.qt.translation import tr
from app.widgets.label import Label
from core.tasks.studies.queries import HistoryEntry

_MOST = 300
"""Revisions that are listed; older ones are reached by undo."""


class HistoryList(QWidget):
    looked_at = Signal(object)
    """The ``HistoryEntry`` to be shown faintly over the picture, or None."""
    restored = Signal(int)
    """The revision to go back to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: list[HistoryEntry] = []
        self._list = QListWidget()
        self._list.setAccessibleName(tr("History of the annotation"))
        self._list.setFixedHeight(116)
        self._list.currentRowChanged.connect(self._look)
        self._restore = QPushButton(tr("Restore"))
        self._restore.setToolTip(tr("Makes the chosen state current again; nothing of the history is lost"))
        self._restore.clicked.connect(self._ask)
        self._empty = Label(tr("Nothing drawn yet. Every stroke is saved here by itself."))
        self._empty.setObjectName("faint")
        self._empty.setWordWrap(True)
        heading = Label(tr("History"))
        heading.setObjectName("heading")
        line = QHBoxLayout()
        line.addWidget(heading, 1)
        line.addWidget(self._restore)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 6, 8, 8)
        layout.setSpacing(4)
        layout.addLayout(line)
        layout.addWidget(self._list)
        layout.addWidget(self._empty)
        self.show_history([])

    def show_history(self, entries: Sequence[HistoryEntry]) -> None:
        """The newest first; the first one is current."""
        self._entries = list(entries[:_MOST])
        self._list.blockSignals(True)
        self._list.clear()
        for entry in self._entries:
            count = len(entry.shapes)
            what = tr("1 shape") if count == 1 else tr("{n} shapes", n=count)
            names = "".join(f"  ★ {name}" for name in entry.names)
            self._list.addItem(QListWidgetItem(f"{entry.revision}   {local_time(entry.at_utc)}   {what}{names}"))
        self._list.blockSignals(False)
        self._list.setVisible(bool(entries))
        self._empty.setVisible(not entries)
        self._restore.setEnabled(False)
        self._restore.setVisible(bool(entries))

    def _look(self, row: int) -> None:
        self._restore.setEnabled(row > 0)
        self.looked_at.emit(self._entries[row] if row > 0 else None)

    def _ask(self) -> None:
        row = self._list.currentRow()
        if row > 0:
            self.restored.emit(self._entries[row].revision)
