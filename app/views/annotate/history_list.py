"""History of a lesion, the newest entry first: strokes with a preview and undo, and labels."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.operations.label_text import describe_labels
from app.operations.shape_text import describe_edit
from app.qt.formatting import local_time
from app.qt.translation import tr
from app.widgets.label import Label, tip
from core.tasks.studies.queries import HistoryEntry, LabelChange

_MOST = 300
"""Rows that are listed; what is older is reached by undo."""


class HistoryList(QWidget):
    """A row that is pointed at or chosen shows its state over the picture; Restore makes the chosen one
    current."""

    looked_at = Signal(object)
    """The ``HistoryEntry`` to be shown over the picture, or None."""
    restored = Signal(int)
    """The revision to go back to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: list[HistoryEntry | None] = []
        """The revision of each row; None for a change of labels."""
        self._current: HistoryEntry | None = None
        self.list = QListWidget()
        self.list.setAccessibleName(tr("History of the annotation"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setMouseTracking(True)
        self.list.currentRowChanged.connect(self._look)
        self.list.itemEntered.connect(lambda item: self._look(self.list.row(item)))
        self.list.viewport().installEventFilter(self)
        self.list.installEventFilter(self)
        self._restore = QPushButton(tr("Restore"))
        self._restore.setToolTip(tr("Restores the chosen state; the whole history is kept"))
        self._restore.clicked.connect(self._ask)
        self._empty = Label(tr("Nothing drawn yet. Every stroke is saved automatically."))
        self._empty.setObjectName("faint")
        self._empty.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._stack = QStackedWidget()
        self._heading = Label(tr("History"))
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.list)
        self._lay_out()
        self.show_history([])

    def _lay_out(self) -> None:
        self._heading.setObjectName("heading")
        # its room is kept while there is nothing to restore, so that nothing below moves
        policy = self._restore.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        policy.setVerticalPolicy(QSizePolicy.Policy.Fixed)
        self._restore.setSizePolicy(policy)
        line = QHBoxLayout()
        line.addWidget(self._heading, 1)
        line.addWidget(self._restore)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 4, 8, 6)
        layout.setSpacing(4)
        layout.addLayout(line)
        layout.addWidget(self._stack, 1)

    def show_heading(self, on: bool) -> None:
        """Show or hide the heading; off where a button above already names the list."""
        self._heading.setText(tr("History") if on else "")

    def show_history(self, entries: Sequence[HistoryEntry], labels: Sequence[LabelChange] = ()) -> None:
        """Revisions and changes of labels, each the newest first; the first revision is current."""
        rows = _rows(entries[:_MOST], entries[_MOST : _MOST + 1], labels)[:_MOST]
        self._entries = [entry for _, entry in rows]
        self._current = entries[0] if entries else None
        self.list.blockSignals(True)
        self.list.clear()
        for text, entry in rows:
            item = QListWidgetItem(text)
            item.setToolTip(tip(text))
            if entry is None:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsSelectable)
            self.list.addItem(item)
        self.list.blockSignals(False)
        self._stack.setCurrentIndex(1 if rows else 0)
        self._restore.setEnabled(False)
        self._restore.setVisible(bool(entries))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.list.viewport() and event.type() == QEvent.Type.Leave:
            self._look(self.list.currentRow())
        if watched is self.list and isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                self._ask()
                return True
            if event.key() == Qt.Key.Key_Escape and self.list.currentRow() >= 0:
                self.list.setCurrentRow(-1)
                return True
        return super().eventFilter(watched, event)

    def _past(self, row: int) -> HistoryEntry | None:
        """The state of a row, where that is not the current one."""
        entry = self._entries[row] if 0 <= row < len(self._entries) else None
        return None if entry is self._current else entry

    def _look(self, row: int) -> None:
        self._restore.setEnabled(self._past(self.list.currentRow()) is not None)
        self.looked_at.emit(self._past(row))

    def _ask(self) -> None:
        entry = self._past(self.list.currentRow())
        if entry is not None:
            self.restored.emit(entry.revision)


def _rows(
    entries: Sequence[HistoryEntry], older: Sequence[HistoryEntry], labels: Sequence[LabelChange]
) -> list[tuple[str, HistoryEntry | None]]:
    """Text of each row and its revision, the newest first; ``older``: the revision before the oldest listed."""
    dated: list[tuple[str, str, HistoryEntry | None]] = []
    before = [*entries[1:], *older]
    for place, entry in enumerate(entries):
        shapes = before[place].shapes if place < len(before) else ()
        names = "".join(f"★ {name}  " for name in entry.names)
        dated.append((entry.at_utc, names + describe_edit(shapes, entry.shapes), entry))
    dated += [(change.at_utc, describe_labels(change.before, change.after), None) for change in labels]
    # equal times keep their order, so that revisions stay in theirs
    dated.sort(key=lambda row: row[0], reverse=True)
    return [(f"{text}   {local_time(at)}", entry) for at, text, entry in dated]
