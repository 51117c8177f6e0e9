"""Several runs side by side: what came of each, and in what their configurations differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QDialog, QTableWidget, QTableWidgetItem, QWidget

from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.views.train.job_panel import duration
from app.views.train.runs_table import different_fields, figures_of
from app.widgets.explain.numbers import MISSING, number
from app.widgets.label import in_title, tip
from core.domain.study import Run
from core.domain.vocabulary import Part

_FIGURES: dict[str, Callable[[], str]] = {
    "validation_auroc": lambda: tr("Validation AUROC"),
    "validation_cross_entropy": lambda: tr("Validation cross-entropy"),
    "validation_lesion_precision": lambda: tr("Activation in lesion"),
    "validation_fine_precision": lambda: tr("Activation in margin"),
}


_CHANGES: dict[str, Callable[[], str]] = {
    "auroc": lambda: tr("AUROC, change by update"),
    "lesion_precision": lambda: tr("In lesion, change by update"),
    "fine_precision": lambda: tr("In margin, change by update"),
}
"""Paired differences between an update and its parent on the validation part."""


class RunComparisonView(QDialog):
    def __init__(self, runs: Sequence[Run], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(in_title(", ".join(run.name for run in runs)))
        self.resize(260 + 190 * len(runs), 520)
        lines = [*_results(runs), *different_fields(runs)]
        self.table = QTableWidget(len(lines), len(runs))
        self.table.setAccessibleName(tr("Runs side by side"))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setHorizontalHeaderLabels([run.name for run in runs])
        self.table.setVerticalHeaderLabels([name for name, _ in lines])
        self.table.verticalHeader().setDefaultSectionSize(26)
        self.table.setShowGrid(False)
        self.table.setCornerButtonEnabled(False)
        self.table.horizontalHeader().setDefaultAlignment(
            Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        )
        for row, (_, values) in enumerate(lines):
            for column, value in enumerate(values):
                item = QTableWidgetItem(value)
                item.setToolTip(tip(value))
                self.table.setItem(row, column, item)
        self.table.resizeColumnsToContents()
        layout = dialog_column(self)
        layout.addWidget(self.table)


def _results(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Return the results of each run; fields that none of them has are left out."""
    records = [_mapping(run.metrics.get("record")) for run in runs]
    lines = [(tr("State"), [tr(run.status.value) for run in runs])]
    for key, name in _FIGURES.items():
        lines.append((name(), [_number(figures_of(run).get(key)) for run in runs]))
    changes = [_mapping(run.metrics.get("change")) for run in runs]
    for key, words in _CHANGES.items():
        lines.append((words(), [_interval(_mapping(one.get(key))) for one in changes]))
    for part in Part:
        counts = [
            tr("{lesions} of {patients} patients", lesions=lesions, patients=patients)
            if (lesions := _mapping(one.get("lesions")).get(part.value)) is not None
            and (patients := _mapping(one.get("patients")).get(part.value)) is not None
            else MISSING
            for one in records
        ]
        lines.append((tr("Lesions, {part}", part=tr(part.value)), counts))
    lines += [
        (tr("Epoch chosen"), [str(one.get("best_epoch", MISSING)) for one in records]),
        (tr("Time"), [_time(one) for one in records]),
        (tr("Device"), [" ".join(str(one[k]) for k in ("device", "precision") if k in one) for one in records]),
        (tr("Notes"), [run.notes for run in runs]),
    ]
    return [(name, values) for name, values in lines if any(value not in ("", MISSING) for value in values)]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> str:
    return number(value, 4) if isinstance(value, float) else MISSING


def _interval(estimate: Mapping[str, object]) -> str:
    value, low, high = (estimate.get(name) for name in ("value", "low", "high"))
    if not isinstance(value, float):
        return MISSING
    if not (isinstance(low, float) and isinstance(high, float)):
        return number(value, 3)
    return tr("{value} ({low} to {high})", value=number(value, 3), low=number(low, 3), high=number(high, 3))


def _time(record: Mapping[str, object]) -> str:
    seconds = _mapping(record.get("seconds")).values()
    found = [value for value in seconds if isinstance(value, int | float)]
    return duration(sum(found)) if found else MISSING
