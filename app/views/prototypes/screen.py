"""Prototypes: what the model learned, what each is worth, and what becomes of it without some of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QPushButton, QTabWidget, QVBoxLayout, QWidget

from app.actions.catalogue import Need
from app.operations import models
from app.qt.formatting import listed
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.services.opened_model import OpenedModel
from app.state.changes import Change, ModelRevised, OpinionGiven, StudyClosing
from app.state.session import Session
from app.views.model_screen import ModelScreen
from app.views.prototypes.acts import Acts, Marked
from app.views.prototypes.detail import PrototypeDetail
from app.views.prototypes.effect_page import EffectPage
from app.views.prototypes.prune_preview import PrunePreview
from app.views.prototypes.revisions import RevisionTree
from app.views.prototypes.wall import PrototypeWall
from app.views.screen import History
from core.domain.errors import MarginaliaError
from core.domain.events import Progress
from core.domain.study import ModelRevision
from core.tasks.readers.opinions import Mark, marks_of

if TYPE_CHECKING:
    from core.pruning.compare import Difference
    from core.pruning.prune import PruneOutcome
    from core.tasks.review.prototype_survey import Survey

_REASONS = ("exact duplicate", "near duplicate", "impure", "never inside the margin")
"""Values of ``core.pruning.suggest.Reason``, which is imported with the model."""


class PrototypesScreen(ModelScreen):
    def __init__(self, session: Session, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(session, desk, parent)
        self.wall, self.page = PrototypeWall(), EffectPage()
        self.grid, self.effect = self.wall.grid, self.page.effect
        self.suggested, self.select, self.clear = self.page.suggested, self.page.select, self.page.clear
        self.state, self.problem, self.reason = self.page.state, self.page.problem, self.page.reason
        self.prune = self.page.prune
        self.detail, self.revisions = PrototypeDetail(), RevisionTree()
        self.preview = PrunePreview(self)
        self.undo, self.redo = QPushButton(tr("Undo")), QPushButton(tr("Redo"))
        self.tabs = QTabWidget()
        self.outcome: PruneOutcome | None = None
        self._acts = Acts(self.undo, self.redo, self._set_mark)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._lay_out()
        self._connect()
        self.refresh()

    @property
    def history(self) -> History:
        return self._acts

    def available(self) -> frozenset[Need]:
        there = self.desk.model is not None and self.grid.current in self.grid.cards
        return frozenset({"prototype"}) if there else frozenset()

    def handlers(self) -> Mapping[str, Callable[[], object]]:
        return {
            "prototypes.enlarge": self.wall.enlarge,
            "prototypes.mark": self._toggle_current,
            "prototypes.prune": self._ask_reason,
            "prototypes.keep": lambda: self._toggle_mark(Mark.KEEP),
            "prototypes.irrelevant": lambda: self._toggle_mark(Mark.NOT_RELEVANT),
            "prototypes.look_here": lambda: self.steering.open(self.grid.current),
        }

    # made once

    def _lay_out(self) -> None:
        for button in (self.undo, self.redo):
            self.top.addWidget(button)
            self.top.addSpacing(8)
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(tr("Prototypes"))
        self.tabs.addTab(self.detail, tr("Detail"))
        self.tabs.addTab(self.page, tr("Effect"))
        self.tabs.addTab(self.revisions, tr("Revisions"))
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(8, 4, 10, 8)
        column.addWidget(self.tabs)
        self._add_parts((self.wall, 5, 274, 820), (side, 2, 440, 460))

    def _connect(self) -> None:
        self.desk.surveyed.connect(self._show_survey)
        self.desk.surveying.connect(self._show_surveying)
        self.session.changed.connect(self._follow)
        self.grid.chosen.connect(self._soon.start)
        self.grid.chosen.connect(self.wall.refresh)
        self._soon.timeout.connect(self._ask_effect)
        self.grid.looked_at.connect(self._look_at)
        self.grid.wanted_back.connect(self._bring_back)
        self.preview.found.connect(self._take_outcome)
        self.preview.refused.connect(self._refuse)
        self.preview.compared.connect(self._take_differences)
        self.select.clicked.connect(self._select_suggested)
        self.clear.clicked.connect(lambda: self.grid.tick(frozenset()))
        self.reason.textChanged.connect(self._enable)
        self.reason.returnPressed.connect(self.prune.click)
        self.reason.escaped.connect(self.wall.focus)
        self.prune.clicked.connect(self._prune)
        self.undo.clicked.connect(self._undo)
        self.redo.clicked.connect(self._redo)
        self.revisions.wanted.connect(self._activate)
        self.revisions.compare_wanted.connect(self._compare)
        self.detail.marked.connect(self._mark)
        self.detail.look_here.clicked.connect(lambda: self.steering.open(self.detail.index))

    # what is shown

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.wall.focus()

    def _show_nothing(self) -> None:
        self.outcome = None
        self.grid.show_model(None)
        self._acts.forget()
        self._enable()

    def _show_model(self, model: OpenedModel) -> None:
        self.desk.survey()
        self.steering.look()
        study, run = self.session.study, model.run
        self.grid.show_model(model)
        self._show_facts(model)
        self.revisions.show_revisions(study.models.of_run(run.id), model.revision.id)
        if self.grid.current in self.grid.cards:
            self._show_detail(self.grid.current)
        else:
            self.grid.look_at(next(iter(self.grid.cards)))
            self.wall.focus()
        self._show_suggestions()
        if not self.desk.is_opening:
            self._ask_effect()
        self._enable()

    def _purpose(self) -> tuple[str, str]:
        return (
            tr("Open a study to look at the prototypes of its model."),
            tr("Once a model is trained, what it learned is shown here as a gallery of prototypes."),
        )

    @property
    def _survey(self) -> Survey | None:
        """The survey of the active revision, else that of the one before."""
        return self.desk.surveyed_model or self.desk.former_survey

    def _show_facts(self, model: OpenedModel) -> None:
        stale = self.desk.surveyed_model is None
        self.grid.show_facts(self._survey, marks_of(self.session.study, model.run), stale=stale)
        self.wall.refresh()
        if not stale:
            self.wall.show_progress(None)

    def _show_surveying(self, progress: Progress) -> None:
        if self.desk.surveyed_model is None:
            self.wall.show_progress(progress)

    def _show_survey(self) -> None:
        model = self.desk.model
        self.wall.show_progress(None)
        if model is None or not self.isVisible():
            return
        self._show_facts(model)
        self._show_suggestions()
        self._show_detail(self.grid.current)
        if self.desk.survey_problem:
            self.refused.emit(self.desk.survey_problem)
        self.effect.show_outcome(self.outcome, self.desk.surveyed_model, self._titles(model))
        self._ask_effect()

    def _show_suggestions(self) -> None:
        survey = self.desk.surveyed_model
        self.suggested.clear()
        if survey is None:
            self.suggested.addItem(tr("Examining every prototype …"))
        else:
            self.suggested.addItem(tr("All suggested ({count})", count=len(survey.removable)))
            for name in _REASONS:
                self.suggested.addItem(f"{tr(name)} ({len(self._of_reason(name))})")
        self.suggested.setEnabled(survey is not None)
        self.select.setEnabled(survey is not None)

    def _of_reason(self, name: str) -> frozenset[int]:
        survey = self.desk.surveyed_model
        if survey is None:
            return frozenset()
        return frozenset(
            one.index for one in survey.prototypes if any(s.reason.value == name for s in one.suggestions)
        )

    def _look_at(self, index: int) -> None:
        self._show_detail(index)
        self.actions_changed.emit()

    def _show_detail(self, index: int) -> None:
        model, survey = self.desk.model, self._survey
        if model is None or index not in self.grid.cards:
            return
        facts = None if survey is None else {one.index: one for one in survey.prototypes}.get(index)
        pictures = self.grid.cards[index].pictures
        marks = marks_of(self.session.study, model.run)
        self.detail.show_prototype(model, index, pictures, facts, marks.get(index, Mark.NONE))

    def _titles(self, model: OpenedModel) -> dict[str, str]:
        return {case.lesion_id: case.title for case in model.cases}

    def _ask_effect(self) -> None:
        """Work out what the model would be without the marked set."""
        model, ticked = self.desk.model, self.grid.ticked
        self.page.refuse("")
        self.page.show_count(len(ticked))
        self.outcome = None
        if model is None:
            return
        self.state.setText(without(ticked))
        if ticked and self.tabs.currentWidget() is self.detail:
            self.tabs.setCurrentWidget(self.page)
        self.preview.ask(model, ticked, self.desk.surveyed_model)
        self._enable()

    def _take_outcome(self, outcome: PruneOutcome) -> None:
        model = self.desk.model
        if model is None:
            return
        self.outcome = outcome if self.grid.ticked else None
        self.effect.show_outcome(outcome, self.desk.surveyed_model, self._titles(model))
        self._enable()

    def _take_differences(self, found: tuple[Difference, ...]) -> None:
        self.effect.show_differences(found)

    def _refuse(self, sentence: str) -> None:
        self.outcome = None
        self.effect.show_outcome(None, None, {})
        self.page.refuse(sentence)
        self._enable()

    def _enable(self) -> None:
        model = self.desk.model
        able = model is not None and self.session.can_write and not self.desk.is_opening
        self.prune.setEnabled(able and self.outcome is not None and bool(self.reason.text().strip()))
        self.prune.setToolTip("" if self.reason.text().strip() else tr("Give a reason first"))
        revisions = () if model is None else self.session.study.models.of_run(model.run.id)
        pruned = model is not None and model.revision.parent_id is not None
        self.undo.setEnabled(able and (pruned or self.steering.can_undo))
        later = model is not None and any(m.parent_id == model.revision.id for m in revisions)
        self.redo.setEnabled(able and (later or self.steering.can_redo))
        self.actions_changed.emit()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self.preview.stop()
                self.detail.index = -1
                self._acts.forget()
            case ModelRevised():
                self.reason.clear()
                self._acts.forget()
                if self.reason.hasFocus():  # Ctrl+Z takes back the pruning, not what was typed
                    self.wall.focus()
            case OpinionGiven(subject=subject) if subject.startswith("prototype") and self.isVisible():
                if (model := self.desk.model) is not None:
                    self._show_facts(model)
                    self._show_detail(self.grid.current)

    # what the user does

    def _select_suggested(self) -> None:
        survey, place = self.desk.surveyed_model, self.suggested.currentIndex()
        if survey is None:
            return
        wanted = frozenset(survey.removable) if place <= 0 else self._of_reason(_REASONS[place - 1])
        self.grid.tick(wanted)

    def _toggle_current(self) -> None:
        card = self.grid.cards.get(self.grid.current)
        if card is not None and card.is_pruned:
            self._bring_back(card.index)
        else:
            self.grid.toggle_current()

    def _ask_reason(self) -> None:
        """To the field for the reason; from there, prune."""
        if not self.grid.ticked:
            self.refused.emit(tr("Mark at least one prototype first, with X."))
        elif self.tabs.currentWidget() is self.page and self.reason.hasFocus():
            if not self.prune.isEnabled():
                self.refused.emit(
                    self.prune.toolTip() or tr("The figures without the marked ones are being computed.")
                )
            self.prune.click()
        else:
            self.tabs.setCurrentWidget(self.page)
            self.reason.setFocus()

    def _prune(self) -> None:
        model, outcome = self.desk.model, self.outcome
        if model is not None and outcome is not None:
            self._try(lambda: models.prune(self.session, model.pruning, outcome, self.reason.text()))

    def _undo(self) -> None:
        if (model := self.desk.model) is not None:
            steered = self.steering.can_undo
            undo = self.steering.undo if steered else partial(models.undo_pruning, self.session)
            self._try(lambda: undo(model.run))

    def _redo(self) -> None:
        if (model := self.desk.model) is not None:
            steered = self.steering.can_redo
            redo = self.steering.redo if steered else partial(models.redo_pruning, self.session)
            self._try(lambda: redo(model.run))

    def _bring_back(self, index: int) -> None:
        """Take back the pruning that removed it, where that is the last one; else show the revisions."""
        model = self.desk.model
        if model is None or not self.undo.isEnabled():
            return
        before = {one.id: one for one in self.session.study.models.of_run(model.run.id)}.get(
            model.revision.parent_id or ""
        )
        if before is not None and index in before.prototype_indices:
            self._undo()
            return
        self.tabs.setCurrentWidget(self.revisions)
        sentence = tr("Prototype {number} was pruned earlier: choose a revision that has it.", number=index + 1)
        self.refused.emit(sentence)

    def _activate(self, revision: ModelRevision) -> None:
        self._try(lambda: models.activate(self.session, revision))

    def _toggle_mark(self, mark: Mark) -> None:
        """Mark the one that is looked at, or take the same mark away."""
        model, index = self.desk.model, self.grid.current
        if model is not None and index in self.grid.cards:
            now = marks_of(self.session.study, model.run).get(index, Mark.NONE)
            self._mark(index, Mark.NONE if now is mark else mark)

    def _mark(self, index: int, mark: Mark) -> None:
        model = self.desk.model
        if model is None:
            return
        before = marks_of(self.session.study, model.run).get(index, Mark.NONE)
        if before is not mark and self._set_mark(index, mark):
            self._acts.note(Marked(index=index, before=before, after=mark))
            self.actions_changed.emit()

    def _set_mark(self, index: int, mark: Mark) -> bool:
        model = self.desk.model
        done = model is not None and self._try(lambda: models.mark(self.session, model.run, index, mark))
        self._show_detail(index)
        self.actions_changed.emit()
        return done

    def _compare(self, first: ModelRevision, second: ModelRevision) -> None:
        if (model := self.desk.model) is not None:
            self.tabs.setCurrentWidget(self.page)
            self.state.setText(
                tr("“{first}” (now) beside “{second}” (after):", first=tr(first.reason), second=tr(second.reason))
            )
            self.preview.compare(model, first, second, self.desk.surveyed_model)

    def _try(self, act: Callable[[], object]) -> bool:
        """Run the act and return True if it succeeded; else show the reason on the screen."""
        try:
            act()
        except MarginaliaError as error:
            self.page.refuse(translate_message(error))
            self.tabs.setCurrentWidget(self.page)
            return False
        return True


def without(ticked: Collection[int]) -> str:
    """Name the pruned model that the figures below describe."""
    if not ticked:
        return tr("Mark prototypes with X to see at once what the model would be without them.")
    numbers = listed([str(index + 1) for index in sorted(ticked)])
    if len(ticked) == 1:
        return tr("Without prototype {number}, refitted:", number=numbers)
    return tr("Without prototypes {numbers}, refitted:", numbers=numbers)
