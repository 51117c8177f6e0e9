"""The runs of a study: how far each came, its figures and notes; several can be compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHeaderView,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.qt.flow_layout import FlowLayout
from app.qt.formatting import local_time
from app.qt.translation import tr
from app.views.train.run_delegate import ABOUT, COURSE, HEIGHT, STATUS, RunColumn, RunDelegate
from app.widgets.explain.numbers import MISSING, number
from app.widgets.label import Elided, tip
from core.domain.study import Run, RunStatus

_ID = Qt.ItemDataRole.UserRole
_TICKED, _EMPTY = Qt.CheckState.Checked, Qt.CheckState.Unchecked
_RESUMABLE = (RunStatus.PLANNED, RunStatus.RUNNING, RunStatus.FAILED, RunStatus.CANCELLED)


class RunsTable(QWidget):
    chosen = Signal()
    """Which runs are chosen changed."""
    open_wanted = Signal(object)
    """A ``Run`` whose model is to be the current one."""
    resume_wanted = Signal(object)
    update_wanted = Signal(object)
    """A finished ``Run`` that is to be trained further with the annotations of today, as a new run."""
    withdraw_wanted = Signal(object)
    """A ``Run`` that is not to wait for its turn any more."""
    compare_wanted = Signal(object)
    """The ``Run`` s to be laid side by side."""
    validate_wanted = Signal(object)
    """A finished ``Run`` that is to be validated on another study."""
    log_wanted = Signal(object)
    archive_wanted = Signal(object, bool)
    note_written = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[Run] = []
        self._live = ""
        self._waiting: frozenset[str] = frozenset()
        self._ticked: set[str] = set()
        """Ids of the runs that are to be compared."""
        self.table = QTableWidget(0, len(RunColumn))
        self.table.setHorizontalHeaderLabels([tr("Run"), tr("State"), tr("AUROC"), tr("In margin"), tr("Notes")])
        self.table.setItemDelegate(RunDelegate(self.table))
        self.table.setAccessibleName(tr("Runs of the study"))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(HEIGHT)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setStretchLastSection(True)
        self.open, self.resume = QPushButton(tr("Open its model")), QPushButton(tr("Resume"))
        self.update_ = QPushButton(tr("Update"))
        self.update_.setToolTip(
            tr("Train its prototypes further with the annotations of today, as a new run (fixed features only)")
        )
        self.log, self.archive = QPushButton(tr("Log")), QPushButton(tr("Archive"))
        self.compare = QPushButton(tr("Compare…"))
        self.compare.setToolTip(tr("Tick two runs or more to lay their figures and configurations side by side"))
        self.validate = QPushButton(tr("Validate…"))
        self.validate.setToolTip(tr("Evaluates its model on a study that it has never seen"))
        self.archived = QCheckBox(tr("Archived ones too"))
        # on a second line where the window is narrow
        foot = QWidget()
        line = FlowLayout(foot, gap=6)
        buttons = (self.open, self.resume, self.update_, self.compare, self.validate, self.log, self.archive)
        for part in (*buttons, self.archived):
            line.addWidget(part)
        self.archived.setMinimumHeight(self.archive.sizeHint().height())
        # always there, so that no button moves when runs are ticked
        self.differences = Elided()
        self.differences.setObjectName("faint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.differences)
        layout.addWidget(foot)
        self.table.itemSelectionChanged.connect(self._selection_changed)
        self.table.itemChanged.connect(self._item_changed)
        self.open.clicked.connect(lambda: self.open_wanted.emit(self.selected[0]))
        self.resume.clicked.connect(self._resume)
        self.update_.clicked.connect(lambda: self.update_wanted.emit(self.selected[0]))
        self.compare.clicked.connect(lambda: self.compare_wanted.emit(self.compared))
        self.validate.clicked.connect(lambda: self.validate_wanted.emit(self.selected[0]))
        self.log.clicked.connect(lambda: self.log_wanted.emit(self.selected[0]))
        self.archive.clicked.connect(self._archive)
        self._show_comparison()
        self._selection_changed()

    @property
    def selected(self) -> list[Run]:
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        return [self._runs[row] for row in rows]

    @property
    def compared(self) -> list[Run]:
        """The ticked runs, where there are at least two."""
        ticked = [run for run in self._runs if run.id in self._ticked]
        return ticked if len(ticked) > 1 else []

    def show_runs(
        self, runs: Sequence[Run], live: str, states: Mapping[str, str], waiting: Collection[str] = ()
    ) -> None:
        """The newest first. ``live``: id of the one that is trained now; ``states``: words for some ids;
        ``waiting``: ids in the queue."""
        self._waiting = frozenset(waiting)
        chosen = {run.id for run in self.selected}
        self._runs, self._live = list(reversed(runs)), live
        self.table.blockSignals(True)
        self.table.setRowCount(len(self._runs))
        for row, run in enumerate(self._runs):
            state = states.get(run.id, tr(run.status.value))
            for column, item in enumerate(_items(run, state)):
                if column == RunColumn.NAME:
                    item.setCheckState(_TICKED if run.id in self._ticked else _EMPTY)
                self.table.setItem(row, column, item)
        self.table.clearSelection()
        for row, run in enumerate(self._runs):
            if run.id in chosen:
                self.table.selectRow(row)
        self.table.blockSignals(False)
        self._ticked &= {run.id for run in self._runs}
        self._show_comparison()
        self._selection_changed()

    def show_courses(self, courses: Mapping[str, Sequence[float]]) -> None:
        """``courses``: by id of the run, its AUROC epoch by epoch."""
        self.table.blockSignals(True)
        for row, run in enumerate(self._runs):
            item, values = self.table.item(row, RunColumn.AUROC), courses.get(run.id)
            if item is None or values is None:
                continue
            item.setData(COURSE, tuple(values))
            if len(values) > 1:
                low, high = number(min(values), 3), number(max(values), 3)
                item.setToolTip(
                    tr("AUROC on the validation part, epoch by epoch: {low} to {high}", low=low, high=high)
                )
        self.table.blockSignals(False)
        self.table.viewport().update()

    def choose(self, run_id: str) -> None:
        for row, run in enumerate(self._runs):
            if run.id == run_id:
                self.table.selectRow(row)

    def _selection_changed(self) -> None:
        chosen = self.selected
        one = chosen[0] if len(chosen) == 1 else None
        live = one is not None and one.id == self._live
        self.open.setEnabled(one is not None and one.status is RunStatus.FINISHED)
        self.validate.setEnabled(self.open.isEnabled())
        self.update_.setEnabled(self.open.isEnabled() and bool(one and one.config.get("frozen_backbone")))
        waits = one is not None and one.id in self._waiting
        self.resume.setEnabled(one is not None and not live and (waits or one.status in _RESUMABLE))
        self.resume.setText(tr("Remove from the queue") if waits else tr("Resume"))
        self.log.setEnabled(one is not None)
        self.archive.setEnabled(one is not None and not live)
        self.archive.setText(tr("Bring back") if one is not None and one.archived else tr("Archive"))
        self.chosen.emit()

    def _show_comparison(self) -> None:
        compared = self.compared
        self.compare.setEnabled(bool(compared))
        if not compared:
            self.differences.say(tr("Tick two runs or more to compare them."))
            return
        lines = config_differences(compared)
        self.differences.say("; ".join(lines) or tr("Their configurations are the same."))
        self.differences.setToolTip(tip("\n".join(lines)))

    def _resume(self) -> None:
        run = self.selected[0]
        (self.withdraw_wanted if run.id in self._waiting else self.resume_wanted).emit(run)

    def _archive(self) -> None:
        run = self.selected[0]
        self.archive_wanted.emit(run, not run.archived)

    def _item_changed(self, item: QTableWidgetItem) -> None:
        run = self._runs[item.row()]
        if item.column() == RunColumn.NAME:
            (self._ticked.add if item.checkState() == _TICKED else self._ticked.discard)(run.id)
            self._show_comparison()
            self.chosen.emit()
        if item.column() == RunColumn.NOTES and item.text() != run.notes:
            self.note_written.emit(run, item.text())


def _items(run: Run, state: str) -> list[QTableWidgetItem]:
    """The cells of a run, by ``RunColumn``."""
    figures = figures_of(run)
    preset = str(run.config.get("preset", ""))
    items = [
        QTableWidgetItem(text)
        for text in (
            run.name,
            state,
            _shown(figures.get("validation_auroc")),
            _shown(figures.get("validation_fine_precision")),
            run.notes,
        )
    ]
    for item in items:
        item.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEnabled)
        item.setData(_ID, run.id)
    name = items[RunColumn.NAME]
    name.setFlags(name.flags() | Qt.ItemFlag.ItemIsUserCheckable)
    name.setData(ABOUT, " · ".join(part for part in (preset, local_time(run.created_utc)) if part))
    name.setToolTip(tip(run.name))
    items[RunColumn.STATE].setData(STATUS, run.status.value)
    notes = items[RunColumn.NOTES]
    notes.setFlags(notes.flags() | Qt.ItemFlag.ItemIsEditable)
    notes.setToolTip(tip(run.notes))
    return items


def different_fields(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Each field of the configuration in which the runs are not alike, with its value in every run."""
    flat = [_flat(run.config) for run in runs]
    found = []
    for field in dict.fromkeys(name for one in flat for name in one):
        values = [str(one.get(field, MISSING)) for one in flat]
        if len(set(values)) > 1:
            found.append((field, values))
    return found


def config_differences(runs: Sequence[Run]) -> list[str]:
    """The same as a line each: field, then each run's value."""
    return [
        f"{field}: " + ", ".join(f"{run.name} {value}" for run, value in zip(runs, values, strict=True))
        for field, values in different_fields(runs)
    ]


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def figures_of(run: Run) -> dict[str, object]:
    record = run.metrics.get("record")
    found = record.get("validation") if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}


def _shown(value: object) -> str:
    return number(value, 3) if isinstance(value, float) else MISSING
