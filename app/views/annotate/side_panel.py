"""Beside the picture: lesions, labels, the resulting mask, history."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.actions.actions import Actions
from app.qt.translation import tr
from app.views.annotate.history_list import HistoryList
from app.views.annotate.label_form import LabelForm
from app.views.annotate.lesion_list import LesionList
from app.widgets.label import Label

WIDTH = 300
_SCROLL_BAR = 12


class SidePanel(QScrollArea):
    def __init__(self, actions: Actions, preview: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        names = ("tool.lesion_box", "tool.lesion_outline", "lesion.up", "lesion.down", "lesion.remove")
        self.lesions = LesionList([actions[name] for name in names])
        self.form = LabelForm()
        self.history = HistoryList()
        self._labels = _heading(tr("Labels"))
        self.author = Label()
        self.author.setObjectName("faint")
        self.author.setContentsMargins(10, 0, 8, 2)
        inner = QWidget()
        inner.setObjectName("panel")
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget in (self.lesions, _rule(), self._labels, self.author, self.form, _rule(), preview, _rule()):
            layout.addWidget(widget)
        layout.addWidget(self.history)
        layout.addStretch()
        self.setWidget(inner)
        self.setMinimumWidth(max(WIDTH, inner.minimumSizeHint().width() + _SCROLL_BAR))


def _heading(text: str) -> QLabel:
    label = Label(text)
    label.setObjectName("heading")
    label.setContentsMargins(10, 6, 8, 0)
    return label


def _rule() -> QFrame:
    line = QFrame()
    line.setFixedHeight(1)
    line.setStyleSheet("background: palette(mid)")
    return line
