"""Import of a folder: progress while it runs, then what happened to every file. Not modal: drawing goes on."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QComboBox, QDialog, QHBoxLayout, QProgressBar, QPushButton, QWidget

from app.qt.background import WorkResult
from app.qt.formatting import one_or_many
from app.qt.geometry import resize_on_screen
from app.qt.spacing import dialog_column
from app.qt.task import Job, LongTask
from app.qt.translation import tr
from app.views.importing.outcome_table import TO_READ, OutcomeTable, fate_name, problems_first
from app.views.importing.results import ImportResult
from app.widgets.label import Label
from core.data.importers.outcomes import ImportOutcome
from core.domain.errors import Cancelled
from core.domain.events import Event, Progress


class ImportDialog(QDialog):
    imported = Signal(object)
    """The ``ImportResult``."""
    image_wanted = Signal(str)
    """Id of an image of the report that the user wants to see."""

    def __init__(self, folder: Path, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import images"))
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.result_value: ImportResult | None = None
        self.text = Label(tr("Reading {folder} …", folder=folder))
        self.text.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximum(0)
        self.which = QComboBox()
        self.which.setVisible(False)
        self.which.currentIndexChanged.connect(self._filter)
        self.table = OutcomeTable()
        self.table.setVisible(False)
        self.table.image_wanted.connect(self.image_wanted)
        self.button = QPushButton(tr("Cancel"))
        self.button.clicked.connect(self._press)
        line = QHBoxLayout()
        line.addWidget(self.which)
        line.addStretch()
        line.addWidget(self.button)
        layout = dialog_column(self)
        layout.addWidget(self.text)
        layout.addWidget(self.progress)
        layout.addWidget(self.table, 1)
        layout.addLayout(line)
        self.resize(760, 150)
        self.task = LongTask(job, self, name="import")
        self.task.said.connect(self._show_event)
        self.task.ended.connect(self._end)

    def start(self) -> None:
        self.show()
        self.task.start()

    def stop(self) -> None:
        """Before the study closes."""
        self.task.wait()

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self.progress.setMaximum(event.total)
            self.progress.setValue(event.done)
            left = "" if event.eta_s is None else tr(", about {n} s left", n=round(event.eta_s))
            self.text.setText(tr("{done} of {all} images", done=event.done, all=event.total) + left)

    def _end(self, outcome: WorkResult) -> None:
        self.progress.setVisible(False)
        self.button.setText(tr("Close"))
        self.button.setEnabled(True)
        if isinstance(outcome.value, ImportResult):
            self.result_value = outcome.value
            self._show_result(outcome.value)
            self.imported.emit(outcome.value)
        elif isinstance(outcome.error, Cancelled):
            self.text.setText(tr("Cancelled before the first image was read."))
        else:
            self.text.setText(outcome.sentence)

    def _show_result(self, result: ImportResult) -> None:
        parts = [
            one_or_many(count, one, many)
            for count, one, many in (
                (result.images, tr("1 image imported"), tr("{n} images imported", n=result.images)),
                (result.lesions, tr("1 lesion"), tr("{n} lesions", n=result.lesions)),
                (result.annotations, tr("1 fine annotation"), tr("{n} fine annotations", n=result.annotations)),
            )
        ]
        begin = tr("Cancelled. Finished work is kept:") + " " if result.cancelled else ""
        sentence = begin + ", ".join(parts if not result.cancelled else parts[:1]) + "."
        noted = sum(found.fate in TO_READ for found in result.files)
        if noted:
            sentence += " " + one_or_many(
                noted,
                tr("1 file could not be used or has a note; it comes first."),
                tr("{n} files could not be used or have a note; they come first.", n=noted),
            )
        self.text.setText(sentence)
        self.table.show_files(problems_first(result.files))
        self.table.setVisible(True)
        present = [fate for fate in ImportOutcome if any(found.fate is fate for found in result.files)]
        self.which.addItem(tr("All files ({n})", n=len(result.files)), None)
        for fate in present:
            count = sum(found.fate is fate for found in result.files)
            self.which.addItem(f"{fate_name(fate)} ({count})", fate.value)
        self.which.setVisible(len(present) > 1)
        resize_on_screen(self, 860, 480)

    def _filter(self) -> None:
        wanted = self.which.currentData()
        self.table.show_only(None if wanted is None else ImportOutcome(wanted))

    def _press(self) -> None:
        if self.task.running:
            self.button.setEnabled(False)
            self.text.setText(tr("Stopping after the present image …"))
            self.task.cancel()
        else:
            # not close(): its event rejects, which is overridden to come here
            super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.task.running:
            event.ignore()
            self._press()
        else:
            super().closeEvent(event)

    def reject(self) -> None:
        # closing a dialog rejects it: this must really hide it once the job is done
        if self.task.running:
            self._press()
        else:
            super().reject()
