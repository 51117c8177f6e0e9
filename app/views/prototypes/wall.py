"""The gallery with its loupe, the slider for the size of its pictures, and the progress of new figures."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QSlider, QStackedWidget, QVBoxLayout, QWidget

from app.qt import settings
from app.qt.translation import tr
from app.views.prototypes.card import LEAST, MOST
from app.views.prototypes.grid import PrototypeGrid
from app.views.prototypes.loupe import Loupe
from app.widgets.label import Elided, Label
from core.domain.events import Progress

_SIZE = "prototypes/size"


class PrototypeWall(QWidget):
    enlarged = Signal(bool)
    """True while the loupe is shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.grid, self.loupe, self.pages = PrototypeGrid(), Loupe(), QStackedWidget()
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(LEAST, MOST)
        self.size_slider.setFixedWidth(130)
        self.size_slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.size_slider.setAccessibleName(tr("Size of the pictures"))
        self.size_slider.setToolTip(tr("Size of the pictures"))
        self.bar, self.progress, self.keys = QProgressBar(), Label(), Elided()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(120)
        self.bar.setAccessibleName(tr("Progress of the figures"))
        for label in (self.progress, self.keys):
            label.setObjectName("faint")
        self.keys.say(tr("Arrows look · Space enlarges · X marks · Enter prunes · K keeps · N not relevant"))
        self._lay_out()
        stored = settings.text(_SIZE)
        self.grid.set_side(int(stored) if stored.isdecimal() else 0)
        self.size_slider.valueChanged.connect(self._resize)
        self.grid.loupe_wanted.connect(self.enlarge)
        self.grid.looked_at.connect(self._show_in_loupe)
        self.loupe.closed.connect(self.enlarge)
        self.loupe.stepped.connect(self.grid.step)
        self.show_progress(None)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(14, 4, 14, 0)
        line.addWidget(Label(tr("Size")))
        line.addWidget(self.size_slider)
        line.addSpacing(16)
        line.addWidget(self.bar)
        line.addWidget(self.progress)
        line.addStretch()
        for page in (self.grid, self.loupe):
            self.pages.addWidget(page)
        foot = QHBoxLayout()
        foot.setContentsMargins(14, 0, 14, 4)
        foot.addWidget(self.keys)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(line)
        layout.addWidget(self.pages, 1)
        layout.addLayout(foot)

    @property
    def is_enlarged(self) -> bool:
        return self.pages.currentWidget() is self.loupe

    def enlarge(self) -> None:
        """The prototype that is looked at fills the wall; once more, and the gallery is back."""
        index = self.grid.current
        show = not self.is_enlarged and index in self.grid.cards
        self.pages.setCurrentWidget(self.loupe if show else self.grid)
        if show:
            self._show_in_loupe(self.grid.current)
            self.loupe.setFocus()
        else:
            # the stack gave the focus to the card that had it before, which is looked at then
            self.grid.look_at(index)
            self.focus()
        self.enlarged.emit(show)

    def focus(self) -> None:
        """Set the keyboard focus to the focused prototype."""
        card = self.grid.cards.get(self.grid.current)
        target = self.loupe if self.is_enlarged else card or self.grid
        target.setFocus(Qt.FocusReason.OtherFocusReason)

    def refresh(self) -> None:
        """After the state of the prototype that is looked at changed."""
        self._show_in_loupe(self.grid.current)

    def show_progress(self, progress: Progress | None) -> None:
        """Show how many prototypes have new figures; None: all of them."""
        self.bar.setVisible(progress is not None)
        if progress is None:
            self.progress.setText("")
            return
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)
        self.progress.setText(
            tr("New figures: {done} of {total}", done=progress.done, total=progress.total)
            if progress.total
            else tr("Computing new figures …")
        )

    def showEvent(self, event: object) -> None:
        super().showEvent(event)  # type: ignore[arg-type]
        self._show_size()

    def _show_size(self) -> None:
        self.size_slider.blockSignals(True)
        self.size_slider.setValue(self.grid.shown_side)
        self.size_slider.blockSignals(False)

    def _resize(self, side: int) -> None:
        self.grid.set_side(side)
        settings.put(_SIZE, str(side))

    def _show_in_loupe(self, index: int) -> None:
        card = self.grid.cards.get(index)
        self.loupe.show_card(card, None if card is None else card.pictures)
