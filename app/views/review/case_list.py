"""The lesions to review, those first that are worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from app.qt.theme import warning
from app.qt.translation import tr
from app.widgets.explain.numbers import class_qcolour, percent
from app.widgets.label import Label, tip
from core.domain.opinion import GivenOpinion, Verdict
from core.domain.vocabulary import Part

if TYPE_CHECKING:
    from core.tasks.review.case_list import ReviewCase

Index = QModelIndex | QPersistentModelIndex
CASE = Qt.ItemDataRole.UserRole + 1
_ORDERS = ("disagreement", "low evidence", "error", "order of the study")
"""Values of ``core.tasks.review.case_list.Order``, which is imported with the model."""


class Which(StrEnum):
    """Filters beside the parts and the verdicts."""

    ALL = "all lesions"
    NO_PRECEDENT = "without precedent"
    UNREAD = "not read by you"
    SAID = "with an opinion"


_CHOICES: tuple[Which | Part | Verdict, ...] = (*Which, *Part, *Verdict)


class CaseModel(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.cases: tuple[ReviewCase, ...] = ()
        self.class_names: tuple[str, ...] = ()
        self.said: Mapping[str, tuple[GivenOpinion, ...]] = {}
        self.ask_first = True

    def show(self, cases: tuple[ReviewCase, ...], class_names: tuple[str, ...]) -> None:
        self.beginResetModel()
        self.cases, self.class_names = cases, class_names
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's signature)
        return 0 if parent.isValid() else len(self.cases)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        case = self.cases[index.row()]
        if role == CASE:
            return case
        if role == Qt.ItemDataRole.DisplayRole:
            return case.title
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            return tip(f"{case.title}. {self.readings(case)}")
        return None

    def is_hidden(self, case: ReviewCase) -> bool:
        """Whether the model's answer waits for the reader's own call."""
        return self.ask_first and case.own is None

    def readings(self, case: ReviewCase) -> str:
        """What the reader (or the data set) and the model say, in a line."""
        if case.own is not None:
            said = tr("you: {word}", word=tr(case.own))
        elif self.ask_first:
            return tr("not read yet")
        else:
            said = tr("labelled: {word}", word=tr(case.label) if case.label else "–")
        if not case.can_be_seen:
            return tr("outside its image")
        if case.predicted is None or case.probabilities is None:
            return said
        if not case.has_precedent:
            return f"{said} · {tr('no precedent')}"
        name = tr(self.class_names[case.predicted])
        return f"{said} · {name} {percent(float(case.probabilities[case.predicted]))}"


class _Delegate(QStyledItemDelegate):
    def __init__(self, cases: CaseModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._cases = cases

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(190, 2 * option.fontMetrics.height() + 14)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        case: ReviewCase = index.data(CASE)
        area: QRect = option.rect
        palette: QPalette = option.palette
        if option.state & QStyle.StateFlag.State_Selected:
            colour = QColor(palette.color(QPalette.ColorRole.Highlight))
            colour.setAlpha(70)
            painter.fillRect(area, colour)
        inner = area.adjusted(12, 6, -8, -6)
        metrics = option.fontMetrics
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        mark = " ".join(self._marks(case))
        room = inner.width() - metrics.horizontalAdvance(mark) - 6
        title = metrics.elidedText(case.title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop, title)
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(inner, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignRight, mark)
        hidden = self._cases.is_hidden(case)
        if not case.has_precedent and not hidden:
            painter.setPen(warning(palette))
        text = metrics.elidedText(self._cases.readings(case), Qt.TextElideMode.ElideRight, inner.width())
        painter.drawText(inner, Qt.AlignmentFlag.AlignBottom, text)
        if case.predicted is not None and not hidden:
            painter.fillRect(
                QRect(area.left(), area.top() + 6, 4, area.height() - 12), class_qcolour(case.predicted)
            )

    def _marks(self, case: ReviewCase) -> list[str]:
        found = [tr(case.part)] if case.part else []
        if case.lesion_id in self._cases.said:
            found.append("✓")
        return found


class CaseList(QWidget):
    case_chosen = Signal(str)
    """Id of a lesion."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.cases = CaseModel()
        self._all: tuple[ReviewCase, ...] = ()
        self.order, self.which = QComboBox(), QComboBox()
        self.order.addItems([tr(name) for name in _ORDERS])
        for choice in _CHOICES:
            text = tr(choice.value)
            self.which.addItem(tr("said: {verdict}", verdict=text) if isinstance(choice, Verdict) else text)
        self.which.setCurrentIndex(_CHOICES.index(Part.TEST))
        for box in (self.order, self.which):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        self.view = QListView()
        self.view.setModel(self.cases)
        self.view.setItemDelegate(_Delegate(self.cases, self.view))
        self.view.setUniformItemSizes(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setAccessibleName(tr("Lesions to review"))
        self.count = Label()
        self.count.setObjectName("faint")
        form = QFormLayout()
        form.setContentsMargins(10, 8, 10, 4)
        form.addRow(tr("First"), self.order)
        form.addRow(tr("Show"), self.which)
        form.addRow(self.count)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(form)
        layout.addWidget(self.view, 1)
        self.order.currentIndexChanged.connect(self._refresh)
        self.which.currentIndexChanged.connect(self._refresh)
        self.view.selectionModel().currentChanged.connect(self._chosen)

    @property
    def lesion_id(self) -> str:
        """Of the chosen case; empty where none is."""
        index = self.view.currentIndex()
        return self.cases.cases[index.row()].lesion_id if index.isValid() else ""

    @property
    def case(self) -> ReviewCase | None:
        index = self.view.currentIndex()
        return self.cases.cases[index.row()] if index.isValid() else None

    def neighbours(self) -> tuple[str, ...]:
        """The next and the previous lesion of the list."""
        row = self.view.currentIndex().row()
        near = [row + 1, row - 1]
        return tuple(self.cases.cases[r].lesion_id for r in near if row >= 0 and 0 <= r < len(self.cases.cases))

    def show_cases(
        self,
        cases: tuple[ReviewCase, ...],
        class_names: tuple[str, ...],
        said: Mapping[str, tuple[GivenOpinion, ...]],
    ) -> None:
        self._all = cases
        self.cases.class_names, self.cases.said = class_names, said
        self._refresh()

    def set_ask_first(self, on: bool) -> None:
        self.cases.ask_first = on
        self.view.viewport().update()

    def step(self, by: int) -> None:
        """To the next or the previous case."""
        row = self.view.currentIndex().row() + by
        if 0 <= row < len(self.cases.cases):
            self.view.setCurrentIndex(self.cases.index(row))

    def choose(self, lesion_id: str) -> None:
        """The lesion, or the first of the list where it is not in it."""
        rows = [r for r, case in enumerate(self.cases.cases) if case.lesion_id == lesion_id]
        if self.cases.cases:
            index = self.cases.index(rows[0] if rows else 0)
            self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def _refresh(self) -> None:
        from core.tasks.review.case_list import Order, sort_cases  # with torch, which a list of cases has loaded

        if not self._all:
            self.cases.show((), self.cases.class_names)
            self.count.setText("")
            return
        chosen = self.lesion_id
        kept = tuple(case for case in self._all if self._is_wanted(case))
        names = self.cases.class_names
        order = Order(_ORDERS[self.order.currentIndex()])
        self.cases.show(sort_cases(kept, order, names), names)
        self.count.setText(tr("{count} of {all} lesions", count=len(kept), all=len(self._all)))
        self.choose(chosen)

    def _is_wanted(self, case: ReviewCase) -> bool:
        which = _CHOICES[self.which.currentIndex()]
        said = self.cases.said.get(case.lesion_id, ())
        match which:
            case Part():
                return case.part == which.value
            case Verdict():
                return any(given.opinion.verdict is which for given in said)
            case Which.NO_PRECEDENT:
                return not case.has_precedent
            case Which.UNREAD:
                return case.own is None
            case Which.SAID:
                return bool(said)
        return True

    def _chosen(self, current: QModelIndex) -> None:
        if current.isValid():
            self.case_chosen.emit(self.cases.cases[current.row()].lesion_id)
