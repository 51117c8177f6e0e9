"""Validation of a run on a study that it never saw: computed in the background, shown as a table that can be
read out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.qt.background import Background, WorkResult
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.explain.numbers import localised, number, percent
from app.widgets.label import Label, in_title, tip
from core.domain.study import Run
from core.domain.vocabulary import DISCLAIMER

if TYPE_CHECKING:  # which would bring torch along
    from core.tasks.review.external_validation import ExternalValidation, Recalibration, Shift, Spread


def judge_on(home: Path, run: Run, study: Path, cancelled: list[bool]) -> ExternalValidation:
    """Judge the run on the study in a thread beside the window; both are only read."""
    from core.store.study import Study
    from core.tasks.review.external_validation import validate_externally

    with Study.open(home, writable=False) as mine:
        if home.resolve() == study.resolve():
            return validate_externally(mine, run, mine, cancelled=lambda: bool(cancelled))
        with Study.open(study, writable=False) as other:
            return validate_externally(mine, run, other, cancelled=lambda: bool(cancelled))


class ExternalValidationView(QDialog):
    """Opens at once and fills when the figures are there; closing it stops the work."""

    def __init__(self, home: Path, run: Run, study: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(in_title(tr("{run} on {study}", run=run.name, study=study.name)))
        self.resize(960, 680)
        self.state = Label(tr("Evaluating every lesion of the study. This takes a minute or more."))
        self.state.setWordWrap(True)
        self.table = _table()
        self.table.hide()
        note = Label(tr(DISCLAIMER))
        note.setObjectName("faint")
        note.setWordWrap(True)
        self.state.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        layout = dialog_column(self)
        layout.addWidget(self.state)
        layout.addWidget(self.table, 1)
        layout.addWidget(note)
        self._cancelled: list[bool] = []
        self._work = Background(self, name="external validation")
        self._work.done.connect(self._take)
        self._work.submit(run.id, lambda: judge_on(home, run, study, self._cancelled))

    def closeEvent(self, event: QCloseEvent) -> None:
        self._cancelled.append(True)
        self._work.stop()
        super().closeEvent(event)

    def _take(self, result: WorkResult) -> None:
        if result.error is not None:
            self.state.setText(result.sentence)
            return
        self.show_validation(cast("ExternalValidation", result.value))

    def show_validation(self, found: ExternalValidation) -> None:
        """Show the figures, the calibration, the shift of the inputs and what is to be kept in mind."""
        lines = lines_of(found)
        head = tr("Synthetic data. ") if found.synthetic else ""
        self.state.setText(head + "\n".join(found.warnings))
        self.state.setVisible(bool(self.state.text()))
        self.table.setRowCount(len(lines))
        for row, cells in enumerate(lines):
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(tip(text))
                self.table.setItem(row, column, item)
        self.table.show()


def _table() -> QTableWidget:
    table = QTableWidget(0, 2)
    table.setAccessibleName(tr("Figures of the external validation"))
    table.setHorizontalHeaderLabels([tr("Figure"), tr("Value (95% interval)")])
    table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(26)
    table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
    return table


def lines_of(found: ExternalValidation) -> list[tuple[str, str]]:
    """(figure, value) in their order; figures as in the paper, without clusters, are left out."""
    lines = []
    for report in found.reports:
        unit = tr("images") if report.unit == "image" else tr("findings")
        lines.append((report.source, f"{report.count} {unit}, {report.patients} {tr('patients')}"))
        lines += [(one.label, localised(one.estimate.text())) for one in report.metrics if not one.as_in_paper]
    if found.recalibration is not None:
        lines += _recalibration(found.recalibration)
    return [*lines, *_shift(found.shift)]


def _recalibration(one: Recalibration) -> list[tuple[str, str]]:
    return [
        (tr("Malignant, observed and predicted"), f"{number(one.observed, 3)}; {number(one.predicted, 3)}"),
        (tr("Calibration in the large"), localised(one.in_the_large.text())),
        (tr("Brier score before recalibration"), localised(one.brier_before.text())),
        (tr("Brier score after recalibration in the large"), localised(one.brier_after.text())),
    ]


def _shift(shift: Sequence[Shift]) -> list[tuple[str, str]]:
    """Three lines a property of the inputs: here, in the training, and how many lesions are unusual."""

    def words(spread: Spread | None) -> str:
        return tr("unknown") if spread is None else localised(spread.text())

    lines = []
    for one in shift:
        lines.append((tr("{quantity}: here", quantity=one.quantity), words(one.here)))
        lines.append((tr("{quantity}: in the training", quantity=one.quantity), words(one.training)))
        if one.outside is not None:
            label = tr("{quantity}: outside the training's usual range", quantity=one.quantity)
            lines.append((label, percent(one.outside)))
    return lines
