"""The rows of Fig. 4 as a Qt model: prototypes by their contribution to a class, with the sum so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QFont

from app.qt.translation import tr
from app.widgets.explain.numbers import MISSING, class_qcolour, number, percent, signed
from app.widgets.explain.pictures import CasePictures, PatchLibrary, PatchPictures
from app.widgets.label import tip

if TYPE_CHECKING:
    from core.explain.panel import PanelRow

Index = QModelIndex | QPersistentModelIndex


class Column(IntEnum):
    PROTOTYPE = 0
    ROI = 1
    ACTIVATION = 2
    PART = 3
    SOURCE = 4
    SELF = 5
    SIMILARITY = 6
    WEIGHT = 7
    CONTRIBUTION = 8
    RUNNING = 9
    PRECISION = 10


PICTURES = (Column.ROI, Column.ACTIVATION, Column.PART, Column.SOURCE, Column.SELF)
NUMBERS = (Column.SIMILARITY, Column.WEIGHT, Column.CONTRIBUTION, Column.RUNNING, Column.PRECISION)
ROW = Qt.ItemDataRole.UserRole + 1
"""An ``EvidenceLine``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EvidenceLine:
    shown: PanelRow
    patch: PatchPictures | None
    weight: float
    contribution: float
    running: float
    off: bool
    """Switched off by the user: it counts nothing here."""


class EvidenceModel(QAbstractTableModel):
    switched = Signal(int, bool)
    """A row of the explanation, and whether it counts from now on."""

    def __init__(self, library: PatchLibrary) -> None:
        super().__init__()
        self._library = library
        self.lines: tuple[EvidenceLine, ...] = ()
        self.pictures: CasePictures | None = None

    def show_case(
        self, pictures: CasePictures | None, class_index: int, off: frozenset[int] = frozenset()
    ) -> None:
        """All prototypes, by what they add to the class's score; those that are ``off`` add nothing."""
        self.beginResetModel()
        self.pictures = pictures
        self.lines = () if pictures is None else self._lines(pictures, class_index, off)
        self.endResetModel()

    def row_of(self, prototype_row: int) -> int:
        """Where a row of the explanation stands; -1 where it does not."""
        found = [i for i, line in enumerate(self.lines) if line.shown.row.index == prototype_row]
        return found[0] if found else -1

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(self.lines)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[Column(section)]()
        if role == Qt.ItemDataRole.ToolTipRole:
            return _TIPS[Column(section)]()
        if role == Qt.ItemDataRole.TextAlignmentRole and section in NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        line, column = self.lines[index.row()], Column(index.column())
        if role == ROW:
            return line
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(line, column)
        if role == Qt.ItemDataRole.CheckStateRole and column is Column.PROTOTYPE:
            return Qt.CheckState.Unchecked if line.off else Qt.CheckState.Checked
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._text(line, column) or _HEADERS[column]()
        if role == Qt.ItemDataRole.TextAlignmentRole and column in NUMBERS:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(_tip(line, column))
        if role == Qt.ItemDataRole.ForegroundRole and column is Column.PROTOTYPE:
            return class_qcolour(line.shown.row.class_index)
        if role == Qt.ItemDataRole.FontRole and line.off:
            struck = QFont()
            struck.setStrikeOut(True)
            return struck
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        usual = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return usual | Qt.ItemFlag.ItemIsUserCheckable if index.column() == Column.PROTOTYPE else usual

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole:
            return False
        row = self.lines[index.row()].shown.row.index
        self.switched.emit(row, Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def _lines(self, pictures: CasePictures, class_index: int, off: frozenset[int]) -> tuple[EvidenceLine, ...]:
        running, lines = 0.0, []
        for row in pictures.panel.explanation.ranked(class_index):
            shown = pictures.panel.rows[row.index]
            gone = row.index in off
            value = 0.0 if gone else float(row.contributions[class_index])
            running += value
            lines.append(
                EvidenceLine(
                    shown=shown,
                    patch=None if shown.patch is None else self._library.of(shown.patch),
                    weight=float(row.weights[class_index]),
                    contribution=value,
                    running=running,
                    off=gone,
                )
            )
        return tuple(lines)

    @staticmethod
    def _text(line: EvidenceLine, column: Column) -> str:
        match column:
            case Column.PROTOTYPE:
                return f"{line.shown.row.number}  {tr(line.shown.row.class_name)}"
            case Column.SIMILARITY:
                return number(line.shown.row.score, 3)
            case Column.WEIGHT:
                return "× " + number(line.weight, 3)
            case Column.CONTRIBUTION:
                return "= " + signed(line.contribution, 3)
            case Column.RUNNING:
                return number(line.running, 3)
            case Column.PRECISION:
                found = line.shown.fine_precision
                return MISSING if found is None else percent(found)
        return ""


def _tip(line: EvidenceLine, column: Column) -> str:
    row = line.shown.row
    if column is Column.PRECISION:
        within = line.shown.lesion_precision
        return tr("Inside the lesion's outline: {share}", share=MISSING if within is None else percent(within))
    if column in (Column.SOURCE, Column.SELF, Column.PART) and row.prototype is not None:
        return tr("Learned from lesion {lesion}", lesion=row.prototype.lesion_id[:8])
    return ""


_HEADERS = {
    Column.PROTOTYPE: lambda: tr("Prototype"),
    Column.ROI: lambda: tr("Lesion"),
    Column.ACTIVATION: lambda: tr("Map"),
    Column.PART: lambda: tr("Part"),
    Column.SOURCE: lambda: tr("Source"),
    Column.SELF: lambda: tr("Itself"),
    Column.SIMILARITY: lambda: tr("Similarity"),
    Column.WEIGHT: lambda: tr("× weight"),
    Column.CONTRIBUTION: lambda: tr("= adds"),
    Column.RUNNING: lambda: tr("Sum"),
    Column.PRECISION: lambda: tr("In margin"),
}
_TIPS = {
    Column.PROTOTYPE: lambda: tr("Untick a prototype to see what the model would say without it"),
    Column.ROI: lambda: tr("The box holds the 5% of the lesion's region where this prototype is most active"),
    Column.ACTIVATION: lambda: tr("Where this lesion resembles the prototype"),
    Column.PART: lambda: tr("The most relevant part of the prototypical lesion"),
    Column.SOURCE: lambda: tr("The lesion that the prototype was learned from, with that part boxed"),
    Column.SELF: lambda: tr("The prototype's activation on the lesion that it was learned from"),
    Column.SIMILARITY: lambda: tr("Similarity score of the prototype (equation 5)"),
    Column.WEIGHT: lambda: tr("Weight from this prototype to the class"),
    Column.CONTRIBUTION: lambda: tr("Similarity times weight: what the prototype adds to the class score"),
    Column.RUNNING: lambda: tr("Sum of this row and all above it; the last one is the class score"),
    Column.PRECISION: lambda: tr("Share of the most active 5% inside your fine annotation (equation 1)"),
}
