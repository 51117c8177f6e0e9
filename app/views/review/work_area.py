"""One case in Review, each part at a fixed place: voices, the two pictures, the map's controls, and under them the
prototypes or, before the reader's own call, the question for it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QStackedWidget, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.views.case_pair import CasePair
from app.views.review.answer_panel import AnswerPanel
from app.views.review.ask_first import AskFirst
from app.views.review.explanation_tabs import ExplanationTabs
from app.views.review.voices_bar import VoicesBar
from app.widgets.explain.heat_controls import HeatControls
from app.widgets.explain.pictures import PatchLibrary
from app.widgets.label import Label


class WorkArea(QWidget):
    def __init__(self, pair: CasePair, library: PatchLibrary, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pair = pair
        self.voices, self.controls = VoicesBar(), HeatControls()
        self.tabs = ExplanationTabs(pair.source)
        self.answer, self.ask = AnswerPanel(library), AskFirst()
        self.right, self.below = QStackedWidget(), QStackedWidget()
        self._blind = _keys_of_reading()
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
        """Whether the reader is asked before anything of the model is shown."""
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


def _keys_of_reading() -> QWidget:
    """The right half while the reader has not read: nothing but the keys."""
    page = QWidget()
    text = Label(
        "\n".join(
            (
                tr("1 to 5: your margin"),
                tr("Enter: keep it and show the model"),
                tr("M: whole mammogram, I: invert, F: the lesion again"),
                tr("A, D, R, P: your verdict; Space: next lesion"),
            )
        )
    )
    text.setObjectName("faint")
    text.setAlignment(Qt.AlignmentFlag.AlignCenter)
    layout = QVBoxLayout(page)
    layout.addWidget(text)
    return page
