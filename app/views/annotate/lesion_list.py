"""The lesions of the image: choose, add, order, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.qt.formatting import word
from app.qt.translation import tr
from app.widgets.label import Label, tip
from core.domain.study import Image, Labels, Lesion

_ROWS_SHOWN = 2
"""The list has this height however many lesions there are; it scrolls."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    lesion: Lesion
    said: Labels
    """By the reader, else by the data set."""
    seen_in: tuple[str, ...]
    """Names of the other pictures that show the same finding."""


class LesionList(QWidget):
    chosen = Signal(str)
    """The id of a lesion."""

    def __init__(self, actions: Sequence[QAction], parent: QWidget | None = None) -> None:
        """``actions``: what can be done with lesions, as buttons beside the heading."""
        super().__init__(parent)
        self._list = QListWidget()
        self._list.setAccessibleName(tr("Lesions of this image"))
        self._list.currentRowChanged.connect(self._choose)
        self._stack = QStackedWidget()
        self._empty = Label()
        self._empty.setObjectName("faint")
        self._empty.setWordWrap(True)
        self._empty.setContentsMargins(6, 0, 6, 4)
        self._filling = False
        heading = Label(tr("Lesions"))
        heading.setObjectName("heading")
        line = QHBoxLayout()
        line.setContentsMargins(6, 0, 2, 0)
        line.setSpacing(0)
        line.addWidget(heading, 1)
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            line.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 6, 4, 2)
        layout.setSpacing(2)
        layout.addLayout(line)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self._list)
        self._stack.setFixedHeight(_ROWS_SHOWN * (self.fontMetrics().height() + 10) + 4)
        layout.addWidget(self._stack)

    def show_lesions(self, image: Image, lesions: Sequence[Listed], current: str | None) -> None:
        self._filling = True
        self._list.clear()
        for listed in lesions:
            lesion, said = listed.lesion, listed.said
            margin = tr("not labelled") if said.margin is None else word(said.margin)
            item = QListWidgetItem(f"{lesion.number}   {margin}   {size_text(lesion, image)}")
            if listed.seen_in:
                places = ", ".join(listed.seen_in)
                item.setText(f"{item.text()}   ↔ {places}")
                item.setToolTip(tip(tr("The same finding is seen in {places}.", places=places)))
            item.setData(0x100, lesion.id)
            self._list.addItem(item)
            if lesion.id == current:
                self._list.setCurrentItem(item)
        self._filling = False
        self._empty.setText(tr("No lesion yet. Draw a box around one to begin."))
        self._stack.setCurrentIndex(1 if lesions else 0)

    def show_nothing(self) -> None:
        """No image is on screen."""
        self._empty.setText("")
        self._stack.setCurrentIndex(0)

    def _choose(self, row: int) -> None:
        if not self._filling and row >= 0:
            self.chosen.emit(self._list.item(row).data(0x100))


def size_text(lesion: Lesion, image: Image) -> str:
    """Return the longer side of the lesion's box, in mm where the image has a known pixel spacing."""
    longest = max(lesion.box.width, lesion.box.height)
    if image.pixel_spacing_mm is None:
        return tr("{n} px", n=round(longest))
    return tr("{n} mm", n=round(longest * image.pixel_spacing_mm))
