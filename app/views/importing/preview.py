"""Before an import: what a folder holds, what is left out and why, and the few choices that there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.formatting import number, one_or_many, word
from app.qt.geometry import resize_on_screen
from app.qt.spacing import dialog_column
from app.qt.task import LongTask
from app.qt.translation import tr
from app.views.importing.data_set_dialog import layout_name, usable_layouts
from app.views.importing.outcome_table import OutcomeTable, problems_first
from app.views.importing.results import FoundFiles, ImportChoices, Search, check_files, look_at
from app.widgets.label import Elided, Label
from core.data.importers.layouts import layout_of
from core.data.importers.outcomes import ImportOutcome
from core.domain.errors import Cancelled
from core.domain.events import Event, Progress
from core.store.study import Study

SIZE = (860, 620)
_LOW = 360


class ImportPreview(QDialog):
    """``wanted`` is emitted once, with the ``FoundFiles`` and the ``ImportChoices``, if the user imports."""

    wanted = Signal(object, object)

    def __init__(
        self, paths: Sequence[Path], study: Study, layout: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Before the import"))
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self._paths, self._study = tuple(paths), study
        self.found: FoundFiles | None = None
        self._task: LongTask | None = None
        self._checks = self._given_up = False
        """Flags: the task reads the study; the dialog is deleted when its task ends."""
        self._place = Elided()
        self._place.say(self._named_place())
        self.layout_choice = QComboBox()
        self.layout_choice.addItem(tr("as its files show"), "")
        for one in usable_layouts():
            self.layout_choice.addItem(layout_name(one), one)
        self.layout_choice.setCurrentIndex(max(self.layout_choice.findData(layout), 0))
        self.text, self.progress = Label(), QProgressBar()
        self.figures, self.margins = ImportFigures(), Label()
        self.table = OutcomeTable()
        self.nothing = Label(tr("Every file that was found will be imported."))
        self.source, self.names, self.update_labels = QLineEdit(), QCheckBox(), QCheckBox()
        self.regions_button = QPushButton(tr("Table of chosen regions…"))
        self._regions: Path | None = None
        self.check_button = QPushButton(tr("Check every file"))
        self.cancel_button, self.import_button = QPushButton(tr("Cancel")), QPushButton(tr("Import"))
        self._explain()
        self._lay_out()
        self.layout_choice.currentIndexChanged.connect(self._look)
        self.regions_button.clicked.connect(self._ask_regions)
        self.check_button.clicked.connect(self._check)
        self.cancel_button.clicked.connect(self.reject)
        self.import_button.clicked.connect(self._accept)
        resize_on_screen(self, *SIZE)
        self._look()

    @property
    def choices(self) -> ImportChoices:
        return ImportChoices(
            source=self.source.text().strip() if self.source.isEnabled() else "",
            keep_names=self.names.isChecked(),
            update_labels=self.update_labels.isChecked(),
        )

    @property
    def busy(self) -> bool:
        return self._task is not None

    def give_up(self) -> None:
        """Close it for good. A check of the files reads the study and is waited for; a look at tables goes on
        unseen, since it cannot be stopped in between, and the dialog is deleted when it ends."""
        self._given_up = True
        self.reject()
        if self._task is None:
            self.deleteLater()
        elif self._checks:
            self._task.join()

    # made once

    def _named_place(self) -> str:
        if len(self._paths) == 1:
            return str(self._paths[0])
        return tr("{n} files of {folder}", n=number(len(self._paths)), folder=self._paths[0].parent)

    def _explain(self) -> None:
        self.text.setWordWrap(True)
        self.margins.setWordWrap(True)
        self.margins.setObjectName("faint")
        self.nothing.setObjectName("faint")
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(tr("Progress"))
        self.layout_choice.setAccessibleName(tr("Read as"))
        self.source.setAccessibleName(tr("Name of the data set"))
        self.names.setText(tr("Keep the names of the files, to find images by them"))
        self.names.setToolTip(
            tr(
                "In a table beside the study, on this computer only: no export and no backup holds it. Names of "
                "files often name patients; those of public data sets do not."
            )
        )
        self.update_labels.setText(tr("Take labels that differ for lesions that the study holds already"))
        self.update_labels.setToolTip(
            tr("Labels of the data set only; labels and annotations of readers are never changed.")
        )
        self.check_button.setToolTip(
            tr("Reads every file and compares it with the study, without importing anything. This takes a while.")
        )
        self.regions_button.setToolTip(
            tr(
                "A CSV that names, for each image with several regions, the one that its margin describes: "
                "columns image and region. Without it the masses of these images are left out."
            )
        )
        self.regions_button.setAutoDefault(False)
        self.regions_button.hide()
        self.import_button.setDefault(True)
        self.check_button.setAutoDefault(False)
        self.cancel_button.setAutoDefault(False)

    def _lay_out(self) -> None:
        head = QFormLayout()
        head.addRow(tr("From"), self._place)
        head.addRow(tr("Read as"), self.layout_choice)
        self.layout_choice.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.layout_choice.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        head.addRow(tr("Name of the data set"), self.source)
        buttons = QHBoxLayout()
        buttons.addWidget(self.check_button)
        buttons.addWidget(self.regions_button)
        buttons.addStretch()
        buttons.addWidget(self.cancel_button)
        buttons.addWidget(self.import_button)
        layout = dialog_column(self)
        layout.addLayout(head)
        layout.addWidget(self.figures)
        layout.addWidget(self.margins)
        layout.addWidget(self.text)
        layout.addWidget(self.progress)
        layout.addWidget(self.nothing)
        layout.addWidget(self.table, 1)
        layout.addStretch()
        layout.addWidget(self.names)
        layout.addWidget(self.update_labels)
        layout.addLayout(buttons)

    # what it does

    def _look(self) -> None:
        layout = str(self.layout_choice.currentData())
        self._run(look_at(self._paths, layout, self._regions), tr("Looking at the files …"))

    def _ask_regions(self) -> None:
        dialog = QFileDialog(self, tr("Table of chosen regions"), str(self._paths[0]))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([tr("Tables (*.csv)"), tr("All files (*)")])
        dialog.fileSelected.connect(self._take_regions)
        dialog.open()

    def _take_regions(self, chosen: str) -> None:
        self._regions = Path(chosen)
        self._look()

    def _check(self) -> None:
        if self.found is not None:
            self._checks = True
            self._run(check_files(self.found, self._study), tr("Reading every file …"))

    def _run(self, job: Search, doing: str) -> None:
        self._task = LongTask(job, self, name="import preview")
        self._task.said.connect(self._show_event)
        self._task.ended.connect(self._end)
        self.text.setText(doing)
        self.progress.setRange(0, 0)
        self._enable(False)
        self._task.start()

    def _enable(self, on: bool) -> None:
        self.progress.setVisible(not on)
        for widget in (self.layout_choice, self.names, self.update_labels, self.regions_button):
            widget.setEnabled(on)
        images = 0 if self.found is None else self.found.images
        self.import_button.setEnabled(on and images > 0)
        self.check_button.setEnabled(on and self.found is not None and not self.found.checked and images > 0)

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self.progress.setRange(0, event.total)
            self.progress.setValue(event.done)

    def _end(self, outcome: WorkResult) -> None:
        self._task, self._checks = None, False
        if self._given_up:
            self.deleteLater()
            return
        self.text.setText("")
        if isinstance(outcome.value, FoundFiles):
            self._show_found(outcome.value)
        elif not isinstance(outcome.error, Cancelled):
            self._show_found(None)
            self.text.setText(outcome.sentence)
        self._enable(True)
        self.text.setVisible(bool(self.text.text()))

    def _show_found(self, found: FoundFiles | None) -> None:
        first = self.found is None
        self.found = found
        self.figures.setVisible(found is not None)
        problems = () if found is None else problems_first([file for file in found.files if file.sentences])
        self.table.setVisible(bool(problems))
        self.nothing.setVisible(found is not None and not problems)
        self.margins.setVisible(found is not None and bool(found.margins))
        self.source.setEnabled(found is not None and not layout_of(found.layout).is_public)
        self.import_button.setText(tr("Import"))
        self.regions_button.setVisible(found is not None and found.layout == "cdd-cesm")
        if found is None:
            return
        self.layout_choice.setVisible(len(self._paths) == 1 and self._paths[0].is_dir())
        if first or layout_of(found.layout).is_public:
            self.source.setText(found.plan.source)
            self.names.setChecked(layout_of(found.layout).is_public)
        self.layout_choice.setItemText(0, tr("{layout}, as its files show", layout=layout_name(found.layout)))
        self.figures.show_found(found)
        margins = " · ".join(f"{word(margin)} {number(count)}" for margin, count in found.margins.items())
        self.margins.setText(tr("Margins: {words}", words=margins))
        self.table.show_files(problems, coming=True)
        # high only where there is something to read
        resize_on_screen(self, self.width(), SIZE[1] if problems else _LOW)
        one, many = tr("Import 1 image"), tr("Import {n} images", n=number(found.images))
        self.import_button.setText(one_or_many(found.images, one, many))

    def _accept(self) -> None:
        if self.found is not None:
            self.wanted.emit(self.found, self.choices)
            super().accept()

    def reject(self) -> None:
        if self._task is not None:
            self._task.cancel()
        super().reject()


class ImportFigures(QWidget):
    """The counts, large, each over its word."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 4, 0, 0)
        self._grid.setHorizontalSpacing(36)
        self._grid.setVerticalSpacing(0)
        self.values: list[Label] = []
        for column, text in enumerate(
            (tr("images"), tr("patients"), tr("lesions"), tr("fine annotations"), tr("left out or not usable"))
        ):
            value, name = Label(), Label(text)
            value.setObjectName("headline")
            name.setObjectName("faint")
            self._grid.addWidget(value, 0, column)
            self._grid.addWidget(name, 1, column)
            self.values.append(value)
        self._grid.setColumnStretch(len(self.values), 1)

    def show_found(self, found: FoundFiles) -> None:
        left = sum(file.fate in (ImportOutcome.LEFT_OUT, ImportOutcome.WRONG) for file in found.files)
        patients = "?" if found.patients is None else number(found.patients)
        self.values[1].setToolTip(
            tr("The headers of the files name them; “Check every file” counts them.")
            if found.patients is None
            else ""
        )
        values = (number(found.images), patients, number(found.lesions), number(found.annotations), number(left))
        for label, value in zip(self.values, values, strict=True):
            label.setText(value)
