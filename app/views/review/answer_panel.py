"""Under the pictures: the prototypes with what they contribute, and the reader's verdict."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QTabBar, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.views.review.verdict_bar import VerdictBar
from app.widgets.explain.evidence_strip import EvidenceStrip
from app.widgets.explain.numbers import number
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from app.widgets.label import Label
from core.explain.hypothetical import Supposition

_TALL = 1000
"""Height of the window from which the strip has large pictures, in logical pixels."""
_SMALL, _LARGE = 68, 104


class AnswerPanel(QWidget):
    def __init__(self, library: PatchLibrary, tabs: QTabBar, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.strip, self.verdicts = EvidenceStrip(library), VerdictBar()
        self.total = Label()
        self.total.setObjectName("heading")
        head = QHBoxLayout()
        head.addWidget(tabs)
        head.addStretch()
        head.addWidget(self.total)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(head)
        layout.addWidget(self.strip)
        layout.addWidget(self.verdicts)
        self.strip.set_picture_side(_SMALL)

    def fit_to(self, height: int) -> None:
        """Choose the size of the strip's pictures for a screen of this height."""
        side = _LARGE if height >= _TALL else _SMALL
        if side != self.strip.picture_side:
            self.strip.set_picture_side(side)

    def show_case(self, pictures: CasePictures, supposed: Supposition, *, keep: bool) -> None:
        """``keep``: the same case as before, whose chosen prototype stays chosen."""
        explanation = pictures.panel.explanation
        shown = explanation.predicted
        self.strip.show_case(pictures, shown, supposed.off, keep=keep)
        lines = self.strip.strip.lines
        score = number(lines[-1].running if lines else 0.0, 3)
        # without the class, which the first tab names: both stand on one line with the tabs
        self.total.setText(
            f"{tr('HYPOTHETICAL')} · {score}"
            if supposed.off
            else tr("Score of {name}: {score}", name=tr(explanation.class_names[shown]), score=score)
        )
