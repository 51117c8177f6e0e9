"""Beside the lesion: the prototype's lesion, why not the others, malignancy, all prototypes, what if."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QTabBar, QTabWidget, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.explain.all_table import AllTable
from app.widgets.explain.numbers import class_qcolour
from app.widgets.explain.sum_table import SumLine, SumTable
from app.widgets.explain.verdict import VerdictPanel
from app.widgets.label import Label
from core.explain.hypothetical import Supposition, suppose

if TYPE_CHECKING:
    from core.explain.explanation import Explanation


class ExplanationTabs(QTabWidget):
    row_shown = Signal(object)
    """The row of the explanation that is hovered or chosen in a table."""

    def __init__(self, case: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.what_if = VerdictPanel()
        self.difference = SumTable(tr("What speaks for one class over another"))
        self.malignancy = SumTable(tr("What speaks for malignancy"))
        self.everything = AllTable()
        self.other = QComboBox()
        self.no_malignancy = Label(tr("This model predicts no malignancy: too few lesions had a biopsy result."))
        self.no_malignancy.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._explanation: Explanation | None = None
        self._unfilled: set[int] = set()
        """Tabs that show another case still."""
        self.bar = QTabBar()
        """Chooses the page; it stands over the prototypes, where it has the whole width."""
        self.bar.setDocumentMode(True)
        self.bar.setExpanding(False)
        self.bar.setDrawBase(False)
        self.setDocumentMode(True)
        self.tabBar().hide()
        self.addTab(case, tr("Why"))
        top = QHBoxLayout()
        self._first = Label()
        top.addWidget(self._first)
        top.addWidget(self.other)
        top.addStretch()
        note = tr("The model's own numbers, without your changes.")
        self.unchanged = [Label(note) for _ in range(3)]
        others, malignancy, everything = self.unchanged
        self.addTab(_column(others, top, self.difference), tr("Why not the others"))
        self.addTab(_column(malignancy, self.no_malignancy, self.malignancy), tr("Malignancy"))
        self.addTab(_column(everything, self.everything), tr("All prototypes"))
        hint = Label(
            tr(
                "Type another score, or untick a prototype below, to see what the model would say. "
                "Nothing is saved."
            )
        )
        hint.setObjectName("faint")
        hint.setWordWrap(True)
        page = _column(hint, self.what_if)
        page.layout().addStretch()  # type: ignore[union-attr]
        self.addTab(page, tr("What if (W)"))
        for place in range(self.count()):
            self.bar.addTab(self.tabText(place))
        self.bar.currentChanged.connect(self.setCurrentIndex)
        self.currentChanged.connect(self.bar.setCurrentIndex)
        self.other.currentIndexChanged.connect(self._show_difference)
        self.currentChanged.connect(self._fill_shown)
        for table in (self.difference, self.malignancy, self.everything):
            table.row_shown.connect(self.row_shown)

    def show_case(self, explanation: Explanation, supposition: Supposition) -> None:
        """``supposition``: what the user supposes; the tables stay the model's own."""
        same = self._explanation is explanation
        self._explanation = explanation
        supposed = suppose(explanation, supposition) if supposition else None
        name = tr(explanation.class_names[explanation.predicted])
        self.bar.setTabText(0, tr("Why {name}", name=name))
        self.what_if.show_verdict(explanation, supposed, supposition.scores)
        for label in self.unchanged:
            label.setVisible(bool(supposition))
        if not same:
            self._unfilled = {1, 2, 3}
            self._fill_shown()

    def toggle_what_if(self) -> None:
        """To the page of suppositions, or back to the prototype."""
        last = self.count() - 1
        self.setCurrentIndex(0 if self.currentIndex() == last else last)

    def _fill_shown(self) -> None:
        """The sums of a tab are written when it is looked at: most cases are opened for the first one only."""
        place, explanation = self.currentIndex(), self._explanation
        if explanation is None or place not in self._unfilled:
            return
        self._unfilled.discard(place)
        match place:
            case 1:
                self._fill_others(explanation)
                self._show_difference()
            case 2:
                self._show_malignancy(explanation)
            case 3:
                self.everything.show_explanation(explanation)

    def _fill_others(self, explanation: Explanation) -> None:
        shown = explanation.predicted
        self._first.setText(tr("What speaks for {name} and not for", name=tr(explanation.class_names[shown])))
        self.other.blockSignals(True)
        self.other.clear()
        order = sorted(range(len(explanation.class_names)), key=lambda c: -explanation.logits[c])
        for c in order:
            if c != shown:
                self.other.addItem(tr(explanation.class_names[c]), c)
        self.other.blockSignals(False)

    def _show_difference(self) -> None:
        explanation, other = self._explanation, self.other.currentData()
        if explanation is None or other is None:
            return
        a, b = explanation.predicted, int(other)
        names = [tr(explanation.class_names[c]) for c in (a, b)]
        shares = explanation.differences(a, b)
        lines = [
            SumLine(
                name=f"{row.number}  {tr(row.class_name)}",
                colour=class_qcolour(row.class_index),
                factors=(row.score, float(row.weights[a]), float(row.weights[b])),
                share=float(share),
                row=row.index,
            )
            for row, share in zip(explanation.rows, shares, strict=True)
        ]
        lines.sort(key=lambda line: -line.share)
        head = (tr("Similarity"), *(tr("weight {name}", name=name) for name in names))
        total = float(explanation.logits[a] - explanation.logits[b])
        self.difference.show_sum(head, lines, tr("Difference of the scores"), total)

    def _show_malignancy(self, explanation: Explanation) -> None:
        logit = explanation.malignancy_logit
        self.no_malignancy.setVisible(logit is None)
        self.malignancy.setVisible(logit is not None)
        if logit is None:
            return
        lines = [
            SumLine(
                name=f"{row.number}  {tr(row.class_name)}",
                colour=class_qcolour(row.class_index),
                factors=(row.score, row.malignancy_weight),
                share=row.malignancy_contribution,
                row=row.index,
            )
            for row in explanation.rows
        ]
        lines.sort(key=lambda line: -line.share)
        lines.append(SumLine(name=tr("Intercept"), colour=None, factors=(), share=explanation.malignancy_bias))
        head = (tr("Similarity"), tr("weight"))
        self.malignancy.show_sum(head, lines, tr("Malignancy score"), logit)


def _column(*parts: QWidget | QHBoxLayout) -> QWidget:
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 6, 0, 0)
    for part in parts:
        if isinstance(part, QHBoxLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)
    return page
