"""The work of a group: lesions given to readers by rule, each reader's progress, agreement, the consensus."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QHeaderView,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.operations import group
from app.qt.background import Background, WorkResult
from app.qt.formatting import decimal, number
from app.qt.sentences import translate_message
from app.qt.spacing import APART, NEAR, dialog_column
from app.qt.translation import tr
from app.state.changes import AssignmentsChanged, Change, OthersChanged, StudyClosing
from app.state.session import Session
from app.widgets.label import Label
from app.widgets.number import NumberField
from core.domain.errors import MarginaliaError
from core.domain.group import How
from core.statistics.estimate import Estimate
from core.tasks.readers.group_work import GroupState, PairAgreement, group_state


class GroupDialog(QDialog):
    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Work of the group"))
        self._session = session
        self._worker = Background(self, name="group")
        self._worker.done.connect(self._show)
        self.progress = _table(tr("Reader"), tr("Finished"), tr("Assigned"), tr("To adjudicate"))
        self.agreement = _table(
            tr("Readers"), tr("Label"), tr("Lesions"), tr("Same"), tr("Cohen's kappa"), tr("95% interval"), words=2
        )
        self.course, self.text, self.problem = Label(), Label(), Label()
        self.agree = QPushButton(tr("Make the consensus where readers agree"))
        self.people, self.each, self.adjudicator = QListWidget(), NumberField(), QComboBox()
        self.assign = QPushButton(tr("Assign"))
        self._pairs: tuple[PairAgreement, ...] = ()
        tabs = QTabWidget()
        tabs.addTab(self._state_page(), tr("State"))
        tabs.addTab(self._agreement_page(), tr("Agreement"))
        tabs.addTab(self._assign_page(), tr("Assign"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setText(tr("Close"))
        buttons.rejected.connect(self.reject)
        self.problem.setObjectName("problem")
        self.problem.setWordWrap(True)
        self.problem.hide()
        column = dialog_column(self)
        column.addWidget(tabs, 1)
        column.addWidget(self.problem)
        column.addWidget(buttons)
        self.resize(680, 460)
        self.agree.clicked.connect(self._agree)
        self.assign.clicked.connect(self._assign)
        self.people.itemChanged.connect(self._show_able)
        self.adjudicator.currentIndexChanged.connect(self._show_able)
        self.each.valueChanged.connect(self._show_able)
        self.agreement.itemSelectionChanged.connect(self._show_course)
        self.finished.connect(self._worker.stop)
        session.changed.connect(self._follow)
        self._fill_people()
        self._compute()

    def _state_page(self) -> QWidget:
        self.text.setWordWrap(True)
        line = QHBoxLayout()
        line.addWidget(self.agree)
        line.addStretch()
        self.agree.setAutoDefault(False)
        self.agree.setEnabled(False)
        return _page(self.progress, self.text, line)

    def _agreement_page(self) -> QWidget:
        self.course.setWordWrap(True)
        self.course.setObjectName("faint")
        self.agreement.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        return _page(self.agreement, self.course)

    def _assign_page(self) -> QWidget:
        explained = Label(
            tr(
                "Every lesion that lacks readers is given to those that are ticked. Whole patients go to the same "
                "readers, and each gets about the same number of lesions. A reader sees nothing of others at a "
                "lesion before finishing it."
            )
        )
        explained.setWordWrap(True)
        self.people.setAccessibleName(tr("Readers"))
        self.people.setMinimumHeight(110)
        self.each.setRange(1, 9)
        self.each.setValue(2)
        self.each.setAccessibleName(tr("Readers of each lesion"))
        self.adjudicator.setAccessibleName(tr("Adjudicator"))
        self.assign.setAutoDefault(False)
        form = QFormLayout()
        form.setHorizontalSpacing(APART)
        form.setVerticalSpacing(NEAR)
        form.addRow(tr("Readers"), self.people)
        form.addRow(tr("Readers of each lesion"), self.each)
        form.addRow(tr("Adjudicator"), self.adjudicator)
        line = QHBoxLayout()
        line.addStretch()
        line.addWidget(self.assign)
        return _page(explained, form, line)

    # what is shown

    def _fill_people(self) -> None:
        names = [reader.name for reader in self._session.readers()]
        self.people.clear()
        for name in names:
            item = QListWidgetItem(name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Unchecked)
            self.people.addItem(item)
        self.adjudicator.clear()
        self.adjudicator.addItem(tr("Nobody"), "")
        for name in names:
            self.adjudicator.addItem(name, name)
        self._show_able()

    @property
    def chosen(self) -> list[str]:
        """Names of the readers that are ticked."""
        items = [self.people.item(row) for row in range(self.people.count())]
        return [item.text() for item in items if item.checkState() is Qt.CheckState.Checked]

    def _show_able(self, _: object = None) -> None:
        chosen = self.chosen
        able = len(chosen) >= self.each.value() and self.adjudicator.currentData() not in chosen
        self.assign.setEnabled(able and self._session.can_write)

    def _compute(self) -> None:
        study = self._session.study
        self._worker.submit("state", lambda: group_state(study))

    def _show(self, outcome: WorkResult) -> None:
        state = outcome.value
        if not isinstance(state, GroupState):
            self._say(outcome.sentence)
            return
        _put(
            self.progress,
            [
                (one.reader, number(one.finished), number(one.assigned), number(one.to_adjudicate))
                for one in state.progress
            ],
        )
        self._pairs = state.agreement
        _put(self.agreement, [_pair(one) for one in state.agreement], words=2)
        self.text.setText(_sentences(state))
        self.agree.setEnabled(bool(state.agreed) and self._session.can_write)
        self._show_course()

    def _show_course(self) -> None:
        """How kappa of the chosen pair came to be, from few lesions to all."""
        row = max(self.agreement.currentRow(), 0)
        if row >= len(self._pairs):
            self.course.setText(tr("Agreement is shown once two readers have finished the same lesions."))
            return
        pair = self._pairs[row]
        steps = [
            tr("after {n}: {kappa} ({interval})", n=number(size), kappa=_value(kappa), interval=_interval(kappa))
            for size, kappa in pair.course
        ]
        self.course.setText(
            tr("Kappa of {first} and {second} as it grew:", first=pair.first, second=pair.second)
            + " "
            + "; ".join(steps)
        )

    # what is done

    def _agree(self) -> None:
        self._try(lambda: group.agree(self._session))

    def _assign(self) -> None:
        judge = str(self.adjudicator.currentData() or "")
        self._try(lambda: group.assign(self._session, self.chosen, each=self.each.value(), adjudicator=judge))

    def _try(self, act: object) -> None:
        assert callable(act)
        self._say("")
        try:
            act()
        except MarginaliaError as error:
            self._say(translate_message(error))

    def _say(self, problem: str) -> None:
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self._worker.drain()
                self.reject()
            case AssignmentsChanged() | OthersChanged():
                self._compute()
            case _:
                pass


def _page(*parts: object) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(APART, APART, APART, APART)
    column.setSpacing(NEAR)
    for part in parts:
        if isinstance(part, QWidget):
            column.addWidget(part, 1 if isinstance(part, QTableWidget) else 0)
        elif isinstance(part, QFormLayout | QHBoxLayout):
            column.addLayout(part)
    if not any(isinstance(part, QTableWidget) for part in parts):
        column.addStretch()
    return page


def _table(*heads: str, words: int = 1) -> QTableWidget:
    """A table whose first ``words`` columns are words, the others numbers."""
    table = QTableWidget(0, len(heads))
    table.setHorizontalHeaderLabels(list(heads))
    table.verticalHeader().hide()
    table.setShowGrid(False)
    table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    head = table.horizontalHeader()
    head.setDefaultAlignment(Qt.AlignmentFlag.AlignRight)
    for column, name in enumerate(heads[:words]):
        left = QTableWidgetItem(name)
        left.setTextAlignment(Qt.AlignmentFlag.AlignLeft)
        table.setHorizontalHeaderItem(column, left)
    head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return table


def _put(table: QTableWidget, rows: Sequence[Sequence[str]], *, words: int = 1) -> None:
    """Fill a table; the first ``words`` columns are words, the others numbers."""
    table.setRowCount(len(rows))
    for place, cells in enumerate(rows):
        for column, text in enumerate(cells):
            item = QTableWidgetItem(text)
            if column >= words:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            table.setItem(place, column, item)


def _pair(one: PairAgreement) -> tuple[str, ...]:
    name = tr("Margin") if one.label == "margin" else tr("Shape")
    counts = (number(one.lesions), number(one.same))
    return (f"{one.first}, {one.second}", name, *counts, _value(one.kappa), _interval(one.kappa))


def _value(kappa: Estimate) -> str:
    return "–" if kappa.value is None else decimal(kappa.value, 2)


def _interval(kappa: Estimate) -> str:
    if kappa.low is None or kappa.high is None:
        return "–"
    return tr("{low} to {high}", low=decimal(kappa.low, 2), high=decimal(kappa.high, 2))


def _sentences(state: GroupState) -> str:
    if not state.progress:
        return tr("No lesion is assigned yet.")
    agreed, adjudicated = (state.consensus.get(how.value, 0) for how in (How.AGREED, How.ADJUDICATED))
    said = [
        tr(
            "Readers agree on {agreed} lesions without a consensus and differ on {differ} that nobody decided.",
            agreed=number(len(state.agreed)),
            differ=number(len(state.disputes)),
        ),
        tr(
            "Consensus: {agreed} by agreement, {adjudicated} by adjudication.",
            agreed=number(agreed),
            adjudicated=number(adjudicated),
        ),
    ]
    open_ones = sorted({name for one in state.disputes if not one.adjudicators for name in one.differ})
    if open_ones:
        names = ", ".join(tr("Margin") if name == "margin" else tr("Shape") for name in open_ones)
        said.append(tr("Some have no adjudicator yet ({labels}); assign one.", labels=names))
    return " ".join(said)
