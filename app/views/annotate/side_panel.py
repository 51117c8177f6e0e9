"""Beside the picture, three blocks that never move: the lesions, the labels, and the history with the mask.

Their heights depend on the window alone, never on what is shown. Where the window is high enough the mask that the
network sees stands over the history; else one of the two is chosen.
"""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.actions.actions import Actions
from app.qt.translation import tr
from app.views.annotate.history_list import HistoryList
from app.views.annotate.label_form import LabelForm
from app.views.annotate.lesion_list import LesionList
from app.views.annotate.mask_frame import MaskFrame
from app.widgets.label import Elided, Label

WIDTH = 300
_SCROLL_BAR = 12
_MASK = 236
"""Height of the mask with its heading, logical pixels."""
_HISTORY = 110
"""The least height of the history, which a small window leaves it."""


class SidePanel(QScrollArea):
    def __init__(self, actions: Actions, mask: MaskFrame, parent: QWidget | None = None) -> None:
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
        self.author = Elided()
        self.author.setObjectName("faint")
        self.author.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.mask_frame = mask
        self.foot = _Foot(self.history, mask)
        inner = QWidget()
        inner.setObjectName("panel")
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.lesions)
        layout.addWidget(_rule())
        layout.addLayout(self._labels_heading())
        layout.addWidget(self.form)
        layout.addWidget(_rule())
        layout.addWidget(self.foot, 1)
        for fixed in (self.lesions, self.form):
            fixed.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setWidget(inner)
        self.setMinimumWidth(max(WIDTH, inner.minimumSizeHint().width() + _SCROLL_BAR))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fix_heights()
        above = self.lesions.sizeHint().height() + self.form.sizeHint().height() + 40
        self.foot.show_both(self.height() - above >= _MASK + _HISTORY)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fix_heights()

    def _fix_heights(self) -> None:
        """The heights of the two upper blocks, from the style in force: what they show never changes them."""
        for block in (self.lesions, self.form):
            for widget in (block, *block.findChildren(QWidget)):
                widget.ensurePolished()
            layout = block.layout()
            if layout is not None:
                layout.invalidate()
                block.setFixedHeight(layout.sizeHint().height())

    def _labels_heading(self) -> QHBoxLayout:
        heading = Label(tr("Labels"))
        heading.setObjectName("heading")
        line = QHBoxLayout()
        line.setContentsMargins(10, 6, 10, 6)
        line.addWidget(heading)
        line.addSpacing(8)
        line.addWidget(self.author, 1)
        line.addSpacing(14)
        line.addWidget(self.form.flag)
        return line


class _Foot(QWidget):
    """The history and the mask: over each other, or one of them by two buttons."""

    def __init__(self, history: HistoryList, mask: QWidget) -> None:
        super().__init__()
        self._history, self._mask = history, mask
        self._switch, self._pages = QWidget(), QStackedWidget()
        self._both: bool | None = None
        self._group = QButtonGroup(self)
        line = QHBoxLayout(self._switch)
        line.setContentsMargins(8, 4, 8, 0)
        for place, text in enumerate((tr("History"), tr("Mask"))):
            button = QToolButton()
            button.setText(text)
            button.setCheckable(True)
            button.setChecked(place == 0)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self._group.addButton(button, place)
            line.addWidget(button)
        self._group.idClicked.connect(self._pages.setCurrentIndex)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self._switch)
        self._column.addWidget(self._pages, 1)
        self.setMinimumHeight(_HISTORY)

    def show_both(self, both: bool) -> None:
        """``both``: there is room for the mask over the history."""
        if both == self._both:
            return
        self._both = both
        self._switch.setVisible(not both)
        self._history.show_heading(both)
        self._pages.setVisible(not both)
        for widget in (self._mask, self._history):
            if both:
                self._mask.setFixedHeight(_MASK)
                self._column.addWidget(widget, 0 if widget is self._mask else 1)
            else:
                self._mask.setMinimumHeight(0)
                self._mask.setMaximumHeight(_MASK)
                self._pages.insertWidget(1 if widget is self._mask else 0, widget)
            widget.show()
        if not both:
            self._pages.setCurrentIndex(max(self._group.checkedId(), 0))


def _rule() -> QLabel:
    line = Label()
    line.setFixedHeight(1)
    line.setStyleSheet("background: palette(mid)")
    return line
