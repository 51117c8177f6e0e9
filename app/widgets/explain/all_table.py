"""All prototypes of a case in the model's order, and what each adds to every class and to malignancy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyleOptionHeader,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.qt.theme import faint
from app.qt.translation import tr
from app.widgets.explain.numbers import class_qcolour, number, signed
from app.widgets.label import tip

if TYPE_CHECKING:
    from core.explain.explanation import Explanation

_FIRST = 2
"""Column of the first class."""


_LOOKS = ((False, False, 3), (True, False, 3), (False, True, 3), (True, True, 3), (True, True, 2))
"""From wide to narrow: numbers of the prototypes without their class, headings upright, decimal places."""


class _Heading(QHeaderView):
    """Headings across, or upright where the columns are narrower than their words."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.upright = False
        self.setHighlightSections(False)
        self.setMinimumSectionSize(24)

    def sectionSizeFromContents(self, section: int) -> QSize:
        size = super().sectionSizeFromContents(section)
        if not self.upright or not section:
            return size
        metrics = self.fontMetrics()
        return QSize(metrics.height() + 8, metrics.horizontalAdvance(self._text(section)) + 14)

    def paintSection(self, painter: QPainter, rect: QRect, section: int) -> None:
        if not self.upright or not section:
            super().paintSection(painter, rect, section)
            return
        option = QStyleOptionHeader()
        self.initStyleOption(option)
        option.rect, option.section = rect, section
        self.style().drawControl(QStyle.ControlElement.CE_Header, option, painter, self)
        painter.save()
        painter.setPen(faint(self.palette()))
        painter.translate(rect.left(), rect.bottom())
        painter.rotate(-90)
        # at the right edge of the column, above the digits
        area = QRect(6, 0, rect.height() - 8, rect.width() - 4)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, self._text(section))
        painter.restore()

    def _text(self, section: int) -> str:
        return str(self.model().headerData(section, Qt.Orientation.Horizontal) or "")


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
        self._heading = _Heading(self)
        self.setHorizontalHeader(self._heading)
        self._heading.show()
        self._count = 0
        self._explanation: Explanation | None = None
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.cellEntered.connect(self._show_row)
        self.currentCellChanged.connect(self._show_row)

    def show_explanation(self, explanation: Explanation) -> None:
        self._explanation = explanation
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
        self._heading.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self._heading.setStretchLastSection(False)
        self._fit()
        self.blockSignals(False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._explanation is not None and event.size().width() != event.oldSize().width():
            self.blockSignals(True)
            self._fit()
            self.blockSignals(False)

    def _fit(self) -> None:
        """Write the table in the widest look that needs no scrolling to the side."""
        explanation = self._explanation
        if explanation is None:
            return
        for short, upright, places in _LOOKS:
            self._heading.upright = upright
            self._write(explanation, places, short=short)
            wide = sum(
                max(self.sizeHintForColumn(column), self._heading.sectionSizeHint(column))
                for column in range(self.columnCount())
            )
            if wide <= self.viewport().width():
                break
        self._heading.headerDataChanged(Qt.Orientation.Horizontal, 0, self.columnCount() - 1)
        self.resizeColumnsToContents()

    def _write(self, explanation: Explanation, places: int, *, short: bool) -> None:
        has_malignancy = explanation.malignancy_logit is not None
        for place, row in enumerate(explanation.rows):
            name = f"{row.number}  {tr(row.class_name)}"
            values = [str(row.number) if short else name, number(row.score, places)]
            values += [signed(float(value), places) for value in row.contributions]
            if has_malignancy:
                values.append(signed(row.malignancy_contribution, places))
            self._fill(place, values)
            first = self.item(place, 0)
            if first is not None:
                first.setData(Qt.ItemDataRole.DecorationRole, class_qcolour(row.class_index))
                first.setData(Qt.ItemDataRole.AccessibleTextRole, name)
                first.setToolTip(tip(name))
        totals = [tr("Score"), "", *(number(float(value), places) for value in explanation.logits)]
        if explanation.malignancy_logit is not None:
            blank = ["", *("" for _ in explanation.class_names)]
            self._fill(self._count, [tr("Intercept"), *blank, signed(explanation.malignancy_bias, places)])
            totals.append(number(explanation.malignancy_logit, places))
        self._fill(self.rowCount() - 1, totals, bold=True)

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
