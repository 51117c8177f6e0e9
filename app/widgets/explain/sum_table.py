"""Sum by prototype with its waterfall: reasons for one class and not another, or evidence for malignancy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.qt.translation import tr
from app.widgets.explain.numbers import number, signed
from app.widgets.label import tip

FOR, AGAINST = QColor("#8fb3ae"), QColor("#a8786f")
"""Pale teal adds, dull red takes away: apart in lightness for colour-blind readers, and no colour of a class."""
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, kw_only=True)
class SumLine:
    name: str
    colour: QColor | None
    """Colour of the prototype's class; None for a line that is no prototype."""
    factors: tuple[float, ...]
    """Numbers between the name and the share."""
    share: float
    row: int | None = None
    """In the explanation's order."""


_BARS = 44
"""Least width of the column of bars, in pixels."""
_LINE = 26
"""Height of a line, in pixels."""


class SumModel(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self._head: tuple[str, ...] = ()
        self.lines: tuple[SumLine, ...] = ()
        self.total_name = ""
        self.total = 0.0
        self.short = False
        """Flag: a prototype is shown by its number; its class is its colour and in the tip."""
        self.bars: list[tuple[float, float]] = []
        """(start, end) of each line's bar, in the units of the sum."""

    def show(self, head: Sequence[str], lines: Sequence[SumLine], total_name: str, total: float) -> None:
        """``total`` is the model's own number, not the sum of the lines: that they agree is to be seen."""
        self.beginResetModel()
        self._head, self.lines = tuple(head), tuple(lines)
        self.total_name, self.total = total_name, total
        self.bars, running = [], 0.0
        for line in lines:
            self.bars.append((running, running + line.share))
            running += line.share
        self.bars.append((0.0, total))
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() or not self.lines else len(self.lines) + 1

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(self._head) + 3

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            # "weight spiculated" on two lines, so that all columns fit beside the picture
            head = (one.replace(" ", "\n", 1) for one in self._head)
            return (tr("Prototype"), *head, tr("adds"), "")[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            # as what stands below it: words left, numbers right
            side = Qt.AlignmentFlag.AlignRight if section else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        last = index.row() == len(self.lines)
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column():
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.FontRole and last:
            bold = QFont()
            bold.setBold(True)
            return bold
        if role == Qt.ItemDataRole.DecorationRole and not last and index.column() == 0:
            # a square beside the word: the colours of classes are too light to be read on a light ground
            return self.lines[index.row()].colour
        if role == Qt.ItemDataRole.SizeHintRole and last and index.column() == 0:
            # it lies over the columns of factors too, which are empty in its line
            return QSize(0, _LINE)
        if role == Qt.ItemDataRole.ToolTipRole and not last and index.column() == 0:
            return tip(self.lines[index.row()].name)
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if last:
            values = (self.total_name, *("" for _ in self._head), signed(self.total, 3), "")
        else:
            line = self.lines[index.row()]
            factors = tuple(number(value, 3) for value in line.factors)
            blank = ("",) * (len(self._head) - len(factors))
            short = self.short and line.row is not None
            name = line.name.partition(" ")[0] if short else line.name
            values = (name, *factors, *blank, signed(line.share, 3), "")
        return values[index.column()]


class _BarDelegate(QStyledItemDelegate):
    def __init__(self, table: SumTable) -> None:
        super().__init__(table)
        self._table = table

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = self._table.sums
        if index.column() != model.columnCount() - 1:
            super().paint(painter, option, index)
            return
        area = QRectF(option.rect).adjusted(8, 5, -8, -5)
        ends = [end for bar in model.bars for end in bar]
        low, high = min(0.0, *ends), max(0.0, *ends)
        scale = area.width() / ((high - low) or 1.0)
        start, end = model.bars[index.row()]
        left, right = min(start, end), max(start, end)
        bar = QRectF(
            area.left() + (left - low) * scale, area.top(), max((right - left) * scale, 1.0), area.height()
        )
        painter.fillRect(bar, FOR if end >= start else AGAINST)
        zero = area.left() - low * scale
        painter.setPen(QPen(self._table.palette().placeholderText().color(), 1))
        painter.drawLine(int(zero), int(area.top()) - 5, int(zero), int(area.bottom()) + 5)


class SumTable(QTableView):
    row_shown = Signal(object)
    """The row of the explanation whose line is hovered or chosen; None for a line that is no prototype."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sums = SumModel()
        self.setModel(self.sums)
        self.setItemDelegate(_BarDelegate(self))
        self.setAccessibleName(name)
        self.setShowGrid(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_LINE)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setMinimumSectionSize(_BARS)
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.entered.connect(self._show_row)
        self.selectionModel().currentRowChanged.connect(self._show_row)

    def show_sum(self, head: Sequence[str], lines: Sequence[SumLine], total_name: str, total: float) -> None:
        self.sums.show(head, lines, total_name, total)
        header = self.horizontalHeader()
        for column in range(self.sums.columnCount() - 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        # the bars take what is left, however little
        header.setSectionResizeMode(self.sums.columnCount() - 1, QHeaderView.ResizeMode.Stretch)
        self.clearSpans()
        if lines and head:
            self.setSpan(len(lines), 0, 1, len(head) + 1)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self._fit()

    def _fit(self) -> None:
        """Name the classes, and draw the bars, only where no number is pushed out of sight by it."""
        count, header = self.sums.columnCount(), self.horizontalHeader()
        if not self.sums.lines:
            return
        for short, bars in ((False, _BARS), (True, _BARS), (True, 0)):
            self.sums.short = short
            columns = range(count - 1)
            wide = sum(max(self.sizeHintForColumn(c), header.sectionSizeHint(c), _BARS) for c in columns)
            self.setColumnHidden(count - 1, not bars)
            if wide + bars <= self.viewport().width():
                break
        self.sums.dataChanged.emit(self.sums.index(0, 0), self.sums.index(self.sums.rowCount() - 1, 0))

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._show_row(self.currentIndex())

    def _show_row(self, index: QModelIndex) -> None:
        if index.isValid() and index.row() < len(self.sums.lines):
            self.row_shown.emit(self.sums.lines[index.row()].row)
