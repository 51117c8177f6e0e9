"""The prototypes of a model by class, in a fixed order: arrows walk, a click looks, the box or X marks one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.qt.flow_layout import FlowLayout
from app.qt.translation import tr
from app.services.opened_model import OpenedModel
from app.views.prototypes.card import LEAST, MOST, USUAL, PrototypeCard
from app.widgets.explain.pictures import PatchLibrary
from app.widgets.label import Label
from core.tasks.readers.opinions import Mark

if TYPE_CHECKING:
    from core.tasks.review.prototype_survey import Survey, Surveyed

_GAP, _MARGIN, _ACROSS = 8, 14, 5
_SMALL = 124
"""Side below which no picture is made smaller to have every class in sight, logical pixels."""
_Key = Qt.Key
_STEPS = {_Key.Key_Left: -1, _Key.Key_Right: 1}
_LINES = {_Key.Key_Up: -1, _Key.Key_Down: 1}


class PrototypeGrid(QScrollArea):
    chosen = Signal()
    """The set that is marked for pruning changed."""
    looked_at = Signal(int)
    """Index of a prototype in the unpruned model."""
    loupe_wanted = Signal()
    wanted_back = Signal(int)
    """Index of a pruned prototype that is to be in the model again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards: dict[int, PrototypeCard] = {}
        """By index, in the order in which they are shown: by class, then by index. It never changes."""
        self.library = PatchLibrary()
        self.current = -1
        self.side = 0
        """Side of a picture in pixels as the user chose it; 0: five in a row."""
        self._shown = ""
        """Id of the run whose prototypes are laid out."""
        self._titles: dict[int, Label] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setAccessibleName(tr("Prototypes by class"))

    @property
    def ticked(self) -> frozenset[int]:
        """Indices, in the unpruned model, of those that are marked for pruning."""
        return frozenset(index for index, card in self.cards.items() if card.isChecked())

    def tick(self, wanted: frozenset[int]) -> None:
        """Exactly these; one signal for all."""
        for index, card in self.cards.items():
            card.blockSignals(True)
            card.setChecked(card.isCheckable() and index in wanted)
            card.blockSignals(False)
            card.update()
        self.chosen.emit()

    def toggle_current(self) -> None:
        """Mark the one that is looked at for pruning, or no longer."""
        card = self.cards.get(self.current)
        if card is not None and card.isCheckable():
            card.toggle()

    def show_model(self, model: OpenedModel | None) -> None:
        """All prototypes of the unpruned model, in their places; another revision of a run moves none of them."""
        if model is None or model.run.id != self._shown:
            self._lay_out(model)
        if model is None:
            return
        kept = model.pruning.state.kept
        for index, card in self.cards.items():
            card.show_pruned(index not in kept)
        for class_index, title in self._titles.items():
            own = [index for index, card in self.cards.items() if card.class_index == class_index]
            left = sum(index in kept for index in own)
            name = tr(model.class_names[class_index])
            title.setText(tr("{name}: {kept} of {count}", name=name, kept=left, count=len(own)))

    def show_facts(self, survey: Survey | None, marks: Mapping[int, Mark], *, stale: bool = False) -> None:
        """``stale``: the survey is that of the revision before."""
        facts: dict[int, Surveyed] = {} if survey is None else {one.index: one for one in survey.prototypes}
        groups: dict[int, list[int]] = {}
        for index, one in facts.items():
            groups.setdefault(one.group, []).append(index)
        for index, card in self.cards.items():
            found = facts.get(index)
            alike = [] if found is None else [other for other in groups[found.group] if other != index]
            card.show_facts(found, marks.get(index, Mark.NONE), alike, stale=stale)

    def look_at(self, index: int) -> None:
        """Make it the one that is looked at, and scroll to it."""
        if index not in self.cards or index == self.current:
            return
        for place in (self.current, index):
            if place in self.cards:
                self.cards[place].show_current(place == index)
        self.current = index
        self.ensureWidgetVisible(self.cards[index], 0, _GAP)
        self.looked_at.emit(index)

    def step(self, by: int) -> None:
        """To the next prototype, or the one before."""
        order = list(self.cards)
        if order:
            place = order.index(self.current) + by if self.current in self.cards else 0
            self._walk_to(order[min(max(place, 0), len(order) - 1)])

    def set_side(self, side: int) -> None:
        """Side of a picture in pixels, within bounds; 0: five in a row, and each class in sight if it fits."""
        self.side = side and min(max(side, LEAST), MOST)
        self._resize_cards()

    @property
    def shown_side(self) -> int:
        if self.side:
            return self.side
        room = self.viewport().width() - 2 * _MARGIN - (_ACROSS - 1) * _GAP
        hint = PrototypeCard(0, 0, "").sizeHint()
        wide = room // _ACROSS - (hint.width() - USUAL)
        rows = max(len(self._titles), 1)
        title = self.fontMetrics().height() + 2 * _GAP
        high = (self.viewport().height() - 2 * _MARGIN) // rows - title - (hint.height() - USUAL)
        return min(max(min(wide, max(high, _SMALL)), LEAST), MOST)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._handle(event):
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # a card has the focus, and a button takes arrows and Space for itself
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            return self._handle(event)
        return super().eventFilter(watched, event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if not self.side:
            self._resize_cards()

    def _handle(self, event: QKeyEvent) -> bool:
        key = _Key(event.key())
        if key in _STEPS:
            self.step(_STEPS[key])
        elif key in _LINES:
            self._change_line(_LINES[key])
        elif key == _Key.Key_Space:
            self.loupe_wanted.emit()
        else:
            return False
        return True

    def _change_line(self, by: int) -> None:
        """To the nearest card of the next line, or of the one before."""
        card = self.cards.get(self.current)
        if card is None:
            self.step(0)
            return
        page = self.widget()
        assert page is not None
        at = card.mapTo(page, card.rect().center())
        places = {index: one.mapTo(page, one.rect().center()) for index, one in self.cards.items()}
        lines = {point.y() for point in places.values() if (point.y() - at.y()) * by > card.height() // 2}
        if lines:
            line = min(lines, key=lambda y: abs(y - at.y()))
            on_it = [index for index, point in places.items() if point.y() == line]
            self._walk_to(min(on_it, key=lambda index: abs(places[index].x() - at.x())))

    def _walk_to(self, index: int) -> None:
        self.look_at(index)
        if self.isVisible():
            self.cards[index].setFocus(Qt.FocusReason.OtherFocusReason)

    def _resize_cards(self) -> None:
        side = self.shown_side
        for card in self.cards.values():
            card.resize_to(side)

    def _lay_out(self, model: OpenedModel | None) -> None:
        self.cards.clear()
        self._titles.clear()
        self.library.clear()
        self._shown, self.current = "" if model is None else model.run.id, -1
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(_MARGIN, 8, _MARGIN, _MARGIN)
        column.setSpacing(_GAP)
        if model is not None:
            for class_index, name in enumerate(model.class_names):
                self._add_class(column, model, class_index, name)
        column.addStretch()
        self.setWidget(page)
        self._resize_cards()

    def _add_class(self, column: QVBoxLayout, model: OpenedModel, class_index: int, name: str) -> None:
        title = self._titles[class_index] = Label()
        title.setObjectName("heading")
        column.addWidget(title)
        holder = QWidget()
        flow = FlowLayout(holder, gap=_GAP)
        for index, own in enumerate(model.pruning.state.prototype_class):
            if own != class_index:
                continue
            card = PrototypeCard(index, class_index, name)
            if model.patches:
                card.show_pictures(self.library.of(model.patches[index]))
            card.toggled.connect(self.chosen)
            card.looked_at.connect(self.look_at)
            card.wanted_back.connect(self.wanted_back)
            card.installEventFilter(self)
            self.cards[index] = card
            flow.addWidget(card)
        column.addWidget(holder)
