"""Work on a whole study, with progress and its result in words: backup, restore, check, self-test."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.spacing import dialog_column
from app.qt.task import Job, LongTask
from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.errors import Cancelled
from core.domain.events import Event, Progress

WIDTH = 560


class WorkDialog(QDialog):
    """Modal dialog of a job: nothing else changes meanwhile. ``told`` turns the result of the job into text."""

    def __init__(self, title: str, doing: str, job: Job, told: Callable[[object], str], parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setWindowModality(Qt.WindowModality.ApplicationModal)
        self.setMinimumWidth(WIDTH)
        self._told = told
        self.text, self.bar, self.details = Label(doing), QProgressBar(), QPlainTextEdit()
        self.text.setWordWrap(True)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, 0)
        self.bar.setAccessibleName(title)
        self.details.setReadOnly(True)
        self.details.setMinimumHeight(200)
        self.details.hide()
        self.button = QPushButton(tr("Cancel"))
        self.button.clicked.connect(self.reject)
        line = QHBoxLayout()
        line.addStretch()
        line.addWidget(self.button)
        layout = dialog_column(self)
        for part in (self.text, self.bar, self.details):
            layout.addWidget(part)
        layout.addLayout(line)
        self.task: LongTask | None = LongTask(job, self, name="work")
        self.task.said.connect(self._show)
        self.task.ended.connect(self._end)
        self.task.start()

    def _show(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.bar.setRange(0, event.total)
            self.bar.setValue(event.done)

    def _end(self, outcome: WorkResult) -> None:
        self.task = None
        self.bar.hide()
        self.button.setText(tr("Close"))
        if isinstance(outcome.error, Cancelled):
            super().reject()
            return
        first, _, rest = (outcome.sentence or self._told(outcome.value)).partition("\n")
        self.text.setText(first)
        self.details.setPlainText(rest)
        self.details.setVisible(bool(rest))

    def reject(self) -> None:
        if self.task is not None:
            self.task.cancel()
        else:
            super().reject()
