"""A model that another study shared, taken into this one: under which name, with which split, what came of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
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
from core.domain.events import Emit, Event, IsCancelled, Progress
from core.domain.study import Split
from core.store.study import Study


class ImportModelDialog(QDialog):
    imported = Signal(str)
    """Id of the run that the model became."""

    def __init__(self, study: Study, path: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import model"))
        self._study, self._path = study, path
        self.task: LongTask | None = None
        self.name = QLineEdit()
        self.name.setPlaceholderText(tr("the name it had"))
        self.split = QComboBox()
        self.split.addItem(tr("no split"), None)
        for one in study.splits.all():
            self.split.addItem(one.name, one)
        self.about, self.said = Label(), Label()
        for label in (self.about, self.said):
            label.setWordWrap(True)
        self.about.setText(
            tr(
                "It becomes a finished run. Pruning refits its last layers on the training part of the split; "
                "without a split it can be evaluated and explained, but not pruned. The file is checked before "
                "any of it is used."
            )
        )
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setVisible(False)
        self.start_button, self.close_button = QPushButton(tr("Import")), QPushButton(tr("Close"))
        self.start_button.setDefault(True)
        self._lay_out()
        self.start_button.clicked.connect(self.start)
        self.close_button.clicked.connect(self.reject)

    def _lay_out(self) -> None:
        file = Label(self._path.name)
        form = QFormLayout()
        form.addRow(tr("File"), file)
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Split"), self.split)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.close_button)
        layout = dialog_column(self)
        layout.addLayout(form)
        for widget in (self.about, self.progress, self.said):
            layout.addWidget(widget)
        layout.addStretch()
        layout.addLayout(buttons)
        self.resize(520, 260)

    def start(self) -> None:
        split = self.split.currentData()
        job = _job(self._study, self._path, self.name.text().strip(), split if isinstance(split, Split) else None)
        self.task = LongTask(job, self, name="import-model")
        self.task.said.connect(self._show_event)
        self.task.ended.connect(self._end)
        self.start_button.setEnabled(False)
        self.said.setText("")
        self.progress.setMaximum(0)
        self.progress.setVisible(True)
        self.close_button.setText(tr("Cancel"))
        self.task.start()

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self.progress.setMaximum(event.total)
            self.progress.setValue(event.done)

    def _end(self, outcome: WorkResult) -> None:
        from core.exchange.models.share_model import ImportedModel

        self.task = None
        self.progress.setVisible(False)
        self.close_button.setText(tr("Close"))
        done = outcome.value
        if isinstance(done, ImportedModel):
            self.said.setText(_said(done.run, done.linked, done.prototypes, pictures=done.pictures))
            self.close_button.setDefault(True)
            self.imported.emit(done.run_id)
            return
        self.start_button.setEnabled(True)
        self.start_button.setFocus()
        if isinstance(outcome.error, Cancelled):
            self.said.setText(tr("Cancelled; nothing was imported."))
        else:
            self.said.setText(tr("Nothing was imported:") + f" {outcome.sentence}")

    def stop(self) -> None:
        """Before the study closes."""
        if self.task is not None:
            self.task.wait()

    def reject(self) -> None:
        if self.task is not None:
            self.task.cancel()
        else:
            super().reject()


def _said(run: str, linked: int, prototypes: int, *, pictures: bool) -> str:
    sentence = tr(
        "Imported as run {run}; {linked} of its {all} prototypes have their lesion in this study.",
        run=run,
        linked=linked,
        all=prototypes,
    )
    if pictures:
        sentence += " " + tr("It contains pictures of patients: those from which its prototypes were learned.")
    return sentence


def _job(study: Study, path: Path, name: str, split: Split | None) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> object:
        # brings torch, for which no start of the program should wait
        from core.exchange.models.share_model import import_model

        return import_model(study, path, name=name, split=split, emit=emit, cancelled=cancelled)

    return job
