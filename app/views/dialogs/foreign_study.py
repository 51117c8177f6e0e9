"""Before a study is opened that this computer does not know: check it in a process of its own, or trust it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QProgressBar, QPushButton, QWidget

from app.qt.background import WorkResult
from app.qt.spacing import dialog_column
from app.qt.task import LongTask
from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.errors import Cancelled
from core.domain.events import Emit, Event, IsCancelled, Progress
from core.tasks.studies.check_job import CheckVerdict, check_apart

_MOST_LINES = 6


class ForeignStudyDialog(QDialog):
    wanted = Signal()
    """The user wants it opened: it was found whole, or they trust it."""

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self.setWindowTitle(tr("A study from elsewhere"))
        self.text = Label(
            tr(
                "{folder} was not made on this computer, or not by you. A file in it can be damaged, or made to "
                "do harm. Check it first: everything in it is read in a process of its own, and held against "
                "its hashes. Nothing is changed.",
                folder=folder,
            )
        )
        self.text.setWordWrap(True)
        self.found = Label()
        self.found.setWordWrap(True)
        self.found.setVisible(False)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximum(0)
        self.progress.setVisible(False)
        self.check, self.trust = QPushButton(tr("Check it first")), QPushButton(tr("I trust it: open"))
        self.cancel = QPushButton(tr("Cancel"))
        self.check.setDefault(True)
        line = QHBoxLayout()
        line.addWidget(self.trust)
        line.addStretch()
        line.addWidget(self.cancel)
        line.addWidget(self.check)
        layout = dialog_column(self)
        for widget in (self.text, self.progress, self.found):
            layout.addWidget(widget)
        layout.addLayout(line)
        self.check.clicked.connect(self._check)
        self.trust.clicked.connect(self._open)
        self.cancel.clicked.connect(self.reject)
        self._task: LongTask | None = None
        self.setMinimumWidth(560)

    def _check(self) -> None:
        folder = self._folder

        def job(emit: Emit, cancelled: IsCancelled) -> CheckVerdict:
            return check_apart(folder, emit=emit, cancelled=cancelled)

        self.check.setEnabled(False)
        self.trust.setEnabled(False)
        self.progress.setVisible(True)
        self.found.setVisible(False)
        self._task = LongTask(job, self, name="check")
        self._task.said.connect(self._show_event)
        self._task.ended.connect(self._end)
        self._task.start()

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self.progress.setMaximum(event.total)
            self.progress.setValue(event.done)

    def _end(self, outcome: WorkResult) -> None:
        self.progress.setVisible(False)
        if isinstance(outcome.error, Cancelled):
            return
        verdict = outcome.value
        if isinstance(verdict, CheckVerdict) and verdict.good:
            self._open()
            return
        problems = verdict.problems if isinstance(verdict, CheckVerdict) else (outcome.sentence,)
        shown = [f"• {sentence}" for sentence in problems[:_MOST_LINES]]
        if len(problems) > _MOST_LINES:
            shown.append(tr("and {n} more; 'main.py check' lists them all.", n=len(problems) - _MOST_LINES))
        self.found.setText("\n".join([tr("The study is damaged:"), *shown]))
        self.found.setVisible(True)
        self.trust.setText(tr("Open it anyway"))
        self.trust.setEnabled(True)
        self.check.setText(tr("Check again"))
        self.check.setEnabled(True)

    def _open(self) -> None:
        self.accept()
        self.wanted.emit()

    def reject(self) -> None:
        self.stop()
        super().reject()

    def stop(self) -> None:
        """End a check that is under way, with its process."""
        if self._task is not None:
            self._task.wait()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.stop()
        super().closeEvent(event)
