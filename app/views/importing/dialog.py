"""Import of a folder: progress while it runs, then what happened to every file. Not modal: drawing goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.colours import ERASER, LESION, PROMINENT
from app.qt.geometry import resize_on_screen
from app.qt.sentences import translate_message
from app.qt.task import Job, LongTask
from app.qt.translation import tr
from app.views.importing.results import ImportResult
from app.widgets.label import Label, tip
from core.data.importers.outcomes import FileResult, ImportOutcome
from core.domain.errors import Cancelled
from core.domain.events import Event, Progress

_COLOURS: dict[ImportOutcome, QColor] = {
    ImportOutcome.IMPORTED: LESION,
    ImportOutcome.NOTE: PROMINENT,
    ImportOutcome.WRONG: ERASER,
}
_TO_READ = (ImportOutcome.WRONG, ImportOutcome.NOTE)
_RANK = {fate: rank for rank, fate in enumerate((*_TO_READ, ImportOutcome.LEFT_OUT, ImportOutcome.UNREACHED))}
_AIR = 8
_FIT_MS = 30


def fate_name(fate: ImportOutcome) -> str:
    return {
        ImportOutcome.IMPORTED: tr("imported"),
        ImportOutcome.NOTE: tr("imported, with a note"),
        ImportOutcome.LEFT_OUT: tr("left out"),
        ImportOutcome.WRONG: tr("could not be used"),
        ImportOutcome.UNREACHED: tr("not reached"),
    }[fate]


class ImportDialog(QDialog):
    imported = Signal(object)
    """The ``ImportResult``."""

    def __init__(self, folder: Path, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import images"))
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.result_value: ImportResult | None = None
        self._files: tuple[FileResult, ...] = ()
        """In the order of the table."""
        self.text = Label(tr("Reading {folder} …", folder=folder))
        self.text.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setMaximum(0)
        self.which = QComboBox()
        self.which.setVisible(False)
        self.which.currentIndexChanged.connect(self._filter)
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels([tr("File"), tr("What happened"), tr("Why")])
        self.table.verticalHeader().hide()
        self.table.setShowGrid(False)
        self.table.setWordWrap(True)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        header = self.table.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self._fitting = QTimer(self, singleShot=True, interval=_FIT_MS)
        self._fitting.timeout.connect(self._fit_rows)
        header.sectionResized.connect(lambda *_: self._fitting.start())
        self.table.setColumnWidth(0, 190)
        self.table.setColumnWidth(1, 150)
        self.table.setVisible(False)
        self.button = QPushButton(tr("Cancel"))
        self.button.clicked.connect(self._press)
        line = QHBoxLayout()
        line.addWidget(self.which)
        line.addStretch()
        line.addWidget(self.button)
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
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
            tr("{n} images imported", n=result.images),
            tr("{n} lesions", n=result.lesions),
            tr("{n} fine annotations", n=result.annotations),
        ]
        self._files = problems_first(result.files)
        begin = tr("Cancelled. Finished work is kept:") + " " if result.cancelled else ""
        sentence = begin + ", ".join(parts if not result.cancelled else parts[:1]) + "."
        noted = sum(found.fate in _TO_READ for found in result.files)
        if noted:
            sentence += " " + tr("{n} files could not be used or have a note; they come first.", n=noted)
        self.text.setText(sentence)
        self.table.setRowCount(len(result.files))
        for row, found in enumerate(self._files):
            what = QTableWidgetItem(fate_name(found.fate))
            if found.fate in _COLOURS:
                what.setIcon(_dot(_COLOURS[found.fate]))
            why = QTableWidgetItem(" ".join(map(translate_message, found.sentences)))
            why.setToolTip(tip("\n".join(map(translate_message, found.sentences))))
            for column, item in enumerate((QTableWidgetItem(found.name), what, why)):
                self.table.setItem(row, column, item)
        self.table.setVisible(True)
        self._fit_rows()
        present = [fate for fate in ImportOutcome if any(found.fate is fate for found in result.files)]
        self.which.addItem(tr("All files ({n})", n=len(result.files)), None)
        for fate in present:
            count = sum(found.fate is fate for found in result.files)
            self.which.addItem(f"{fate_name(fate)} ({count})", fate.value)
        self.which.setVisible(len(present) > 1)
        resize_on_screen(self, 860, 480)

    def _fit_rows(self) -> None:
        """High enough for every reason at the present width, which changes when the dialog grows."""
        self.table.resizeRowsToContents()
        for row in range(self.table.rowCount()):  # a reason of two lines would touch those beside it
            self.table.setRowHeight(row, self.table.rowHeight(row) + _AIR)

    def _filter(self) -> None:
        wanted = self.which.currentData()
        for row, found in enumerate(self._files):
            self.table.setRowHidden(row, wanted is not None and found.fate.value != wanted)

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


def problems_first(files: Sequence[FileResult]) -> tuple[FileResult, ...]:
    """Files that could not be used, then those with a note, then the others; each in the order of the import."""
    return tuple(sorted(files, key=lambda found: _RANK.get(found.fate, len(_RANK))))


def _dot(colour: QColor) -> QIcon:
    picture = QPixmap(12, 12)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(colour)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawEllipse(1, 1, 9, 9)
    painter.end()
    return QIcon(picture)
