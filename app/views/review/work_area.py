"""One case in Review, each part at a fixed place: voices, the two pictures, the map's controls, and under them the
prototypes or, before the reader's own call, the question for it."""

from __future__ import annotations

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QStackedWidget, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.views.case_pair import CasePair
from app.views.review.answer_panel import AnswerPanel
from app.views.review.ask_first import AskFirst
from app.views.review.explanation_tabs import ExplanationTabs
from app.views.review.voices_bar import VoicesBar
from app.widgets.explain.heat_controls import HeatControls
from app.widgets.explain.lesion_view import LesionView
from app.widgets.explain.panes import FOOT, HEAD
from app.widgets.explain.pictures import PatchLibrary
from app.widgets.label import Elided, Label


class WorkArea(QWidget):
    def __init__(self, pair: CasePair, library: PatchLibrary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pair = pair
        self.voices, self.controls = VoicesBar(), HeatControls()
        self.tabs = ExplanationTabs(pair.source)
        self.answer, self.ask = AnswerPanel(library, self.tabs.bar), AskFirst()
        self.right, self.below = QStackedWidget(), QStackedWidget()
        self._blind = _blind_page(pair.context)
        for page in (self.tabs, self._blind):
            self.right.addWidget(page)
        for page in (self.answer, self.ask):
            self.below.addWidget(page)
        policy = self.controls.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.controls.setSizePolicy(policy)
        middle = QGridLayout()
        middle.setContentsMargins(0, 0, 0, 0)
        middle.setHorizontalSpacing(8)
        for column, part in enumerate((pair.lesion, self.right)):
            middle.addWidget(part, 0, column)
            middle.setColumnStretch(column, 1)
            # both of one width, whatever their contents would like
            middle.setColumnMinimumWidth(column, 220)
            part.setMinimumWidth(220)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 2, 10, 6)
        layout.setSpacing(4)
        layout.addWidget(self.voices)
        layout.addLayout(middle, 1)
        layout.addWidget(self.controls)
        layout.addWidget(self.below)
        self._fix_height()

    @property
    def is_blind(self) -> bool:
        """True if the reader's own call is requested before anything of the model is shown."""
        return self.below.currentWidget() is self.ask

    def show_blind(self, *, blind: bool) -> None:
        self.below.setCurrentWidget(self.ask if blind else self.answer)
        self.right.setCurrentWidget(self._blind if blind else self.tabs)
        self.controls.setVisible(not blind)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.answer.fit_to(self.window().height())
        self._fix_height()

    def _fix_height(self) -> None:
        """One height for both pages under the pictures."""
        self.below.setFixedHeight(max(self.answer.sizeHint().height(), self.ask.sizeHint().height()))


def _blind_page(context: LesionView) -> QWidget:
    """The right half while the reader has not read: the whole mammogram and the keys, nothing of the model."""
    page = QWidget()
    head, keys = Label(tr("The whole mammogram, with the region framed")), Elided()
    head.setFixedHeight(HEAD)
    keys.setObjectName("faint")
    keys.setFixedHeight(FOOT)
    keys.say(tr("1 to 5 margin · Enter keep · M whole · I invert · Space next"))
    layout = QVBoxLayout(page)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    layout.addWidget(head)
    layout.addWidget(context, 1)
    layout.addWidget(keys)
    return page
