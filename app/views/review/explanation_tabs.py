"""The four questions that an explanation answers: why this class, why not the others, malignancy, everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QTabWidget, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.explain.all_table import AllTable
from app.widgets.explain.evidence_table import EvidenceTable
from app.widgets.explain.numbers import class_qcolour, number
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from app.widgets.explain.sum_table import SumLine, SumTable
from app.widgets.label import Label
from core.explain.hypothetical import Supposition

if TYPE_CHECKING:
    from core.explain.explanation import Explanation


class ExplanationTabs(QTabWidget):
    row_shown = Signal(object)
    """The row of the explanation that is hovered or chosen."""
    switched = Signal(int, bool)
    """A prototype is put out or taken in again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.library = PatchLibrary()
        self.evidence = EvidenceTable(self.library)
        self.difference = SumTable(tr("What speaks for one class over another"))
        self.malignancy = SumTable(tr("What speaks for malignancy"))
        self.everything = AllTable()
        self.total, self.other = Label(), QComboBox()
        self.no_malignancy = Label(tr("This model predicts no malignancy: too few lesions had a biopsy result."))
        self.no_malignancy.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._explanation: Explanation | None = None
        self._unfilled: set[int] = set()
        """Tabs that show another case still."""
        self.setDocumentMode(True)
        self.addTab(_column(self.evidence, self.total), tr("Why"))
        top = QHBoxLayout()
        self._first = Label()
        top.addWidget(self._first)
        top.addWidget(self.other)
        top.addStretch()
        note = tr("The model's own numbers, without what you suppose.")
        self.unchanged = [Label(note) for _ in range(3)]
        others, malignancy, everything = self.unchanged
        self.addTab(_column(others, top, self.difference), tr("Why not the others"))
        self.addTab(_column(malignancy, self.no_malignancy, self.malignancy), tr("Malignancy"))
        self.addTab(_column(everything, self.everything), tr("All prototypes"))
        self.other.currentIndexChanged.connect(self._show_difference)
        self.currentChanged.connect(self._fill_shown)
        self.evidence.evidence.switched.connect(self.switched)
        for table in (self.evidence, self.difference, self.malignancy, self.everything):
            table.row_shown.connect(self.row_shown)

    def show_case(self, pictures: CasePictures | None, supposed: Supposition) -> None:
        """``supposed``: its rows that are off count nothing in the first tab; the other tabs are the model's."""
        explanation = None if pictures is None else pictures.panel.explanation
        same = self._explanation is explanation
        self._explanation = explanation
        if explanation is None or pictures is None:
            self.evidence.show_case(None, 0)
            return
        shown = explanation.predicted
        self.evidence.show_case(pictures, shown, supposed.off)
        name = tr(explanation.class_names[shown])
        self.setTabText(0, tr("Why {name}", name=name))
        lines = self.evidence.evidence.lines
        score = lines[-1].running if lines else 0.0
        said = tr("Score of {name}: {score}", name=name, score=number(score, 3))
        self.total.setText(f"{said} · {tr('HYPOTHETICAL')}" if supposed.off else said)
        for label in self.unchanged:
            label.setVisible(bool(supposed))
        if not same:
            self._unfilled = {1, 2, 3}
            self._fill_shown()

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
