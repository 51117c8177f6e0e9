"""The prototypes of a model by class, duplicates beside each other; any set of them can be ticked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.qt.flow_layout import FlowLayout
from app.qt.translation import tr
from app.services.opened_model import OpenedModel
from app.views.prototypes.card import PrototypeCard
from app.widgets.explain.pictures import PatchLibrary
from app.widgets.label import Label
from core.tasks.readers.opinions import Mark

if TYPE_CHECKING:
    from core.tasks.review.prototype_survey import Survey, Surveyed


class PrototypeGrid(QScrollArea):
    chosen = Signal()
    """The ticked set changed."""
    looked_at = Signal(int)
    """Index of a prototype in the unpruned model."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cards: dict[int, PrototypeCard] = {}
        self.library = PatchLibrary()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Prototypes by class"))

    @property
    def ticked(self) -> frozenset[int]:
        """Indices in the unpruned model."""
        return frozenset(index for index, card in self.cards.items() if card.isChecked())

    def tick(self, wanted: frozenset[int]) -> None:
        """Exactly these; one signal for all."""
        for index, card in self.cards.items():
            card.blockSignals(True)
            card.setChecked(card.isCheckable() and index in wanted)
            card.blockSignals(False)
            card.update()
        self.chosen.emit()

    def show_model(self, model: OpenedModel | None, survey: Survey | None, marks: Mapping[int, Mark]) -> None:
        """All prototypes of the unpruned model; those that are gone are shown as such."""
        ticked = self.ticked if model is not None else frozenset()
        self.cards.clear()
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(14, 8, 14, 14)
        column.setSpacing(8)
        if model is not None:
            self.library.clear()
            for class_index, name in enumerate(model.class_names):
                self._add_class(column, model, survey, class_index, name)
            self.show_facts(survey, marks)
            for index in ticked & set(model.pruning.state.kept):
                self.cards[index].setChecked(True)
        column.addStretch()
        self.setWidget(page)

    def show_facts(self, survey: Survey | None, marks: Mapping[int, Mark]) -> None:
        facts: dict[int, Surveyed] = {} if survey is None else {one.index: one for one in survey.prototypes}
        groups: dict[int, list[int]] = {}
        for index, one in facts.items():
            groups.setdefault(one.group, []).append(index)
        for index, card in self.cards.items():
            found = facts.get(index)
            alike = [] if found is None else [other for other in groups[found.group] if other != index]
            card.show_facts(found, marks.get(index, Mark.NONE), alike)

    def _add_class(
        self, column: QVBoxLayout, model: OpenedModel, survey: Survey | None, class_index: int, name: str
    ) -> None:
        state = model.pruning.state
        own = [j for j, c in enumerate(state.prototype_class) if c == class_index]
        kept = [j for j in own if j in state.kept]
        title = Label(tr("{name}: {kept} of {count}", name=tr(name), kept=len(kept), count=len(own)))
        title.setObjectName("heading")
        column.addWidget(title)
        groups = {} if survey is None else {one.index: one.group for one in survey.prototypes}
        holder = QWidget()
        flow = FlowLayout(holder, gap=8)
        for index in sorted(own, key=lambda j: (j not in state.kept, groups.get(j, j), j)):
            card = PrototypeCard(index, class_index, name)
            if model.patches:
                card.show_pictures(self.library.of(model.patches[index]))
            card.show_pruned(index not in state.kept)
            card.toggled.connect(self.chosen)
            card.looked_at.connect(self.looked_at)
            self.cards[index] = card
            flow.addWidget(card)
        column.addWidget(holder)
