"""All prototypes of a case in the model's order, and what each adds to every class and to malignancy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from app.qt.translation import tr
from app.widgets.explain.numbers import class_qcolour, number, signed

if TYPE_CHECKING:
    from core.explain.explanation import Explanation

_FIRST = 2
"""Column of the first class."""


class AllTable(QTableWidget):
    row_shown = Signal(object)
    """The row of the explanation that is hovered or chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(tr("All prototypes with what they add to every score"))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(26)
        self.horizontalHeader().setHighlightSections(False)
        self._count = 0
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.cellEntered.connect(self._show_row)
        self.currentCellChanged.connect(self._show_row)

    def show_explanation(self, explanation: Explanation) -> None:
        names = [tr(name) for name in explanation.class_names]
        has_malignancy = explanation.malignancy_logit is not None
        head = [tr("Prototype"), tr("Similarity"), *names, *([tr("malignancy")] if has_malignancy else [])]
        self.blockSignals(True)
        self.clear()
        self._count = len(explanation.rows)
        self.setColumnCount(len(head))
        self.setHorizontalHeaderLabels(head)
        for column in range(self.columnCount()):
            # as what stands below it: words left, numbers right
            side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
            heading = self.horizontalHeaderItem(column)
            if heading is not None:
                heading.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
        self.setRowCount(self._count + (2 if has_malignancy else 1))
        for place, row in enumerate(explanation.rows):
            values = [f"{row.number}  {tr(row.class_name)}", number(row.score, 3)]
            values += [signed(float(value), 3) for value in row.contributions]
            if has_malignancy:
                values.append(signed(row.malignancy_contribution, 3))
            self._fill(place, values)
            first = self.item(place, 0)
            if first is not None:
                first.setData(Qt.ItemDataRole.DecorationRole, class_qcolour(row.class_index))
        totals = [tr("Score"), "", *(number(float(value), 3) for value in explanation.logits)]
        if explanation.malignancy_logit is not None:
            blank = ["", *("" for _ in names)]
            self._fill(self._count, [tr("Intercept"), *blank, signed(explanation.malignancy_bias, 3)])
            totals.append(number(explanation.malignancy_logit, 3))
        self._fill(self.rowCount() - 1, totals, bold=True)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(False)
        self.blockSignals(False)

    def _fill(self, row: int, values: list[str], *, bold: bool = False) -> None:
        for column, value in enumerate(values):
            item = QTableWidgetItem(value)
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if bold:
                font = item.font()
                font.setBold(True)
                item.setFont(font)
            self.setItem(row, column, item)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._show_row(self.currentRow())

    def _show_row(self, row: int) -> None:
        if 0 <= row < self._count:
            self.row_shown.emit(row)
