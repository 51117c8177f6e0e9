"""Queue of lesions to review. Its order is computed on request and then fixed: no lesion is sorted anew or removed
while the reader works."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QListView,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.qt.translation import tr
from app.views.review.case_model import CaseDelegate, CaseModel
from app.widgets.label import Label
from core.domain.opinion import GivenOpinion, Verdict
from core.domain.vocabulary import Part

if TYPE_CHECKING:
    from core.tasks.review.case_list import ReviewCase

_BLIND_ORDERS = ("shuffled", "order of the study")
_ORDERS = ("disagreement", "low evidence", "error", *_BLIND_ORDERS)
"""Values of ``core.tasks.review.case_list.Order``, which is imported with the model. Only the last two reveal
nothing of the model's answers."""


class Which(StrEnum):
    """Filters beside the parts and the verdicts."""

    ALL = "all lesions"
    NO_PRECEDENT = "without precedent"
    UNREAD = "not read by you"
    SAID = "with an opinion"


_CHOICES: tuple[Which | Part | Verdict, ...] = (*Which, *Part, *Verdict)


class CaseList(QWidget):
    case_chosen = Signal(str)
    """Id of a lesion."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.cases = CaseModel()
        self._all: tuple[ReviewCase, ...] = ()
        self._queue: tuple[str, ...] = ()
        """Lesions in the order in which they are read."""
        self._of: object = None
        """Model that the queue was made from: another model makes a new one."""
        self.order, self.which, self.again = QComboBox(), QComboBox(), QToolButton()
        for choice in _CHOICES:
            text = tr(choice.value)
            self.which.addItem(tr("said: {verdict}", verdict=text) if isinstance(choice, Verdict) else text)
        self.which.setCurrentIndex(_CHOICES.index(Part.TEST))
        for box in (self.order, self.which):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        self.again.setText(tr("Sort again"))
        self.again.setToolTip(
            tr("The order does not change while you read; this sorts it again by what is known now")
        )
        self.view = QListView()
        self.view.setModel(self.cases)
        self.view.setItemDelegate(CaseDelegate(self.cases, self.view))
        self.view.setUniformItemSizes(True)
        self.view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.view.setAccessibleName(tr("Lesions to review"))
        self.count = Label()
        self.count.setObjectName("faint")
        self._lay_out()
        self._offer_orders()
        self.order.currentIndexChanged.connect(self.sort_again)
        self.which.currentIndexChanged.connect(self.sort_again)
        self.again.clicked.connect(self.sort_again)
        self.view.selectionModel().currentChanged.connect(self._chosen)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setContentsMargins(10, 8, 10, 2)
        form.addRow(tr("Order"), self.order)
        form.addRow(tr("Show"), self.which)
        line = QHBoxLayout()
        line.setContentsMargins(12, 0, 8, 2)
        line.addWidget(self.count, 1)
        line.addWidget(self.again)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(form)
        layout.addLayout(line)
        layout.addWidget(self.view, 1)

    @property
    def lesion_id(self) -> str:
        """The chosen lesion; empty where none is."""
        return "" if self.case is None else self.case.lesion_id

    @property
    def case(self) -> ReviewCase | None:
        index = self.view.currentIndex()
        return self.cases.cases[index.row()] if index.isValid() else None

    def case_of(self, lesion_id: str) -> ReviewCase | None:
        """The case of a lesion, in the queue or left out of it."""
        return next((case for case in self._all if case.lesion_id == lesion_id), None)

    def neighbours(self) -> tuple[str, ...]:
        """The next and the previous lesion of the queue."""
        row = self.view.currentIndex().row()
        near = [row + 1, row - 1]
        return tuple(self.cases.cases[r].lesion_id for r in near if row >= 0 and 0 <= r < len(self.cases.cases))

    def show_cases(
        self,
        cases: tuple[ReviewCase, ...],
        class_names: tuple[str, ...],
        said: Mapping[str, tuple[GivenOpinion, ...]],
        of: object,
    ) -> None:
        """The cases as they are known now. ``of``: the model they belong to; another one makes a new queue."""
        self._all = cases
        self.cases.class_names, self.cases.said = class_names, said
        if of != self._of or not self._queue:
            self._of = of
            self.sort_again()
        else:
            self._refresh()

    def set_ask_first(self, on: bool) -> None:
        """``on``: readings are blind, so that no order or filter may betray what the model answers."""
        if on == self.cases.ask_first:
            return
        self.cases.ask_first = on
        self._offer_orders()
        self.sort_again()

    def step(self, by: int) -> bool:
        """To the next or the previous case; False at the end."""
        row = self.view.currentIndex().row() + by
        if not 0 <= row < len(self.cases.cases):
            return False
        self.view.setCurrentIndex(self.cases.index(row))
        return True

    def choose(self, lesion_id: str) -> None:
        """The lesion, or the first of the queue where it is not in it."""
        rows = [r for r, case in enumerate(self.cases.cases) if case.lesion_id == lesion_id]
        if self.cases.cases:
            index = self.cases.index(rows[0] if rows else 0)
            self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)

    def sort_again(self) -> None:
        """Make the queue anew from the chosen order and filter."""
        self._queue = tuple(case.lesion_id for case in self._sorted())
        self._refresh()

    def _sorted(self) -> tuple[ReviewCase, ...]:
        if not self._all:
            return ()
        from core.tasks.review.case_list import Order, sort_cases  # with torch, which a list of cases has loaded

        wanted = tuple(case for case in self._all if self._is_wanted(case))
        return sort_cases(wanted, Order(self.order.currentData()), self.cases.class_names)

    def _offer_orders(self) -> None:
        blind = self.cases.ask_first
        chosen = self.order.currentData()
        orders = _BLIND_ORDERS if blind else _ORDERS
        self.order.blockSignals(True)
        self.order.clear()
        for name in orders:
            self.order.addItem(tr(name), name)
        self.order.setCurrentIndex(orders.index(chosen) if chosen in orders else 0)
        self.order.blockSignals(False)
        self.order.setToolTip(
            tr("While your reading comes first, only orders that say nothing about the model are offered")
            if blind
            else ""
        )
        place = _CHOICES.index(Which.NO_PRECEDENT)
        self.which.view().setRowHidden(place, blind)  # type: ignore[attr-defined]
        if blind and self.which.currentIndex() == place:
            self.which.blockSignals(True)
            self.which.setCurrentIndex(_CHOICES.index(Which.ALL))
            self.which.blockSignals(False)

    def _refresh(self) -> None:
        """Show the queue with what is known of its lesions now, the chosen one staying chosen in its place."""
        known = {case.lesion_id: case for case in self._all}
        shown = tuple(known[lesion] for lesion in self._queue if lesion in known)
        chosen = self.lesion_id
        if [case.lesion_id for case in shown] == [case.lesion_id for case in self.cases.cases]:
            self.cases.update_cases(shown)
        else:
            self.cases.show(shown)
            self.choose(chosen)
        self.count.setText(
            tr("{count} of {all} lesions", count=len(shown), all=len(self._all)) if self._all else ""
        )
        self.again.setEnabled(tuple(case.lesion_id for case in self._sorted()) != self._queue)

    def _is_wanted(self, case: ReviewCase) -> bool:
        which = _CHOICES[self.which.currentIndex()]  # Qt would give the value without its kind
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
