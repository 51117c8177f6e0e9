"""Prototypes: what the model learned, what each is worth, and what becomes of it without some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.operations import models
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.services.opened_model import OpenedModel
from app.state.changes import Change, ModelRevised, OpinionGiven, StudyClosing
from app.state.session import Session
from app.views.model_screen import ModelScreen
from app.views.prototypes.detail import PrototypeDetail
from app.views.prototypes.effect import EffectTable
from app.views.prototypes.grid import PrototypeGrid
from app.views.prototypes.prune_preview import PrunePreview
from app.views.prototypes.revisions import RevisionTree
from app.views.screen import History
from app.widgets.label import Label
from core.domain.errors import MarginaliaError
from core.domain.study import ModelRevision
from core.tasks.readers.opinions import Mark, marks_of

if TYPE_CHECKING:
    from core.pruning.compare import Difference
    from core.pruning.prune import PruneOutcome

_REASONS = ("exact duplicate", "near duplicate", "impure", "never inside the margin")
"""Values of ``core.pruning.suggest.Reason``, which is imported with the model."""


class PrototypesScreen(ModelScreen):
    def __init__(self, session: Session, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(session, desk, parent)
        self.grid, self.effect = PrototypeGrid(), EffectTable()
        self.detail, self.revisions = PrototypeDetail(), RevisionTree()
        self.supposing = PrunePreview(self)
        self.undo, self.redo = QPushButton(tr("Undo")), QPushButton(tr("Redo"))
        self.suggested = QComboBox()
        self.select, self.clear = QPushButton(tr("Select")), QPushButton(tr("Clear"))
        self.state, self.problem, self.reason = Label(), Label(), QLineEdit()
        self.prune = QPushButton(tr("Prune"))
        self.tabs = QTabWidget()
        self.outcome: PruneOutcome | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._lay_out()
        self._connect()
        self.refresh()

    @property
    def history(self) -> History:
        return PruningHistory(self)

    # made once

    def _lay_out(self) -> None:
        for button in (self.undo, self.redo):
            self.top.addWidget(button)
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(tr("Prototypes"))
        self.tabs.addTab(self._effect_page(), tr("Effect"))
        self.tabs.addTab(self.detail, tr("Detail"))
        self.tabs.addTab(self.revisions, tr("Revisions"))
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(8, 4, 10, 8)
        column.addWidget(self.tabs)
        self._add_parts((self.grid, 3, 274, 620), (side, 2, 400, 600))

    def _effect_page(self) -> QWidget:
        page = QWidget()
        self.suggested.setAccessibleName(tr("Suggested set"))
        self.problem.setWordWrap(True)
        self.problem.setObjectName("badge")
        self.problem.setMargin(4)
        self.problem.hide()
        self.state.setWordWrap(True)
        self.reason.setPlaceholderText(tr("Reason, kept with the revision"))
        choose = QHBoxLayout()
        choose.addWidget(self.suggested, 1)
        choose.addWidget(self.select)
        choose.addWidget(self.clear)
        act = QHBoxLayout()
        act.addWidget(self.reason, 1)
        act.addWidget(self.prune)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 6, 0, 0)
        layout.addLayout(choose)
        layout.addWidget(self.state)
        layout.addWidget(self.problem)
        layout.addWidget(self.effect, 1)
        layout.addLayout(act)
        return page

    def _connect(self) -> None:
        self.desk.surveyed.connect(self._show_survey)
        self.session.changed.connect(self._follow)
        self.grid.chosen.connect(self._soon.start)
        self._soon.timeout.connect(self._suppose)
        self.grid.looked_at.connect(self._show_detail)
        self.supposing.found.connect(self._take_outcome)
        self.supposing.refused.connect(self._refuse)
        self.supposing.compared.connect(self._take_differences)
        self.select.clicked.connect(self._select_suggested)
        self.clear.clicked.connect(lambda: self.grid.tick(frozenset()))
        self.reason.textChanged.connect(self._enable)
        self.reason.returnPressed.connect(self.prune.click)
        self.prune.clicked.connect(self._prune)
        self.undo.clicked.connect(self._undo)
        self.redo.clicked.connect(self._redo)
        self.revisions.wanted.connect(self._activate)
        self.revisions.compare_wanted.connect(self._compare)
        self.detail.marked.connect(self._mark)

    # what is shown

    def _show_nothing(self) -> None:
        self.outcome = None
        self.grid.show_model(None, None, {})
        self._enable()

    def _show_model(self, model: OpenedModel) -> None:
        self.desk.survey()
        study, run = self.session.study, model.run
        self.grid.show_model(model, self.desk.surveyed_model, marks_of(study, run))
        self.revisions.show_revisions(study.models.of_run(run.id), model.revision.id)
        first = model.pruning.state.kept[0]
        self._show_detail(self.detail.index if self.detail.index in self.grid.cards else first)
        self._show_suggestions()
        if not self.desk.is_opening:
            self._suppose()
        self._enable()

    def _purpose(self) -> tuple[str, str]:
        return (
            tr("Open a study to look at the prototypes of its model."),
            tr("Once a model is trained, what it learned is shown here as a gallery of prototypes."),
        )

    def _show_survey(self) -> None:
        model = self.desk.model
        if model is None or not self.isVisible():
            return
        self.grid.show_model(model, self.desk.surveyed_model, marks_of(self.session.study, model.run))
        self._show_suggestions()
        self._show_detail(self.detail.index)
        if self.desk.survey_problem:
            self.refused.emit(self.desk.survey_problem)
        self.effect.show_outcome(self.outcome, self.desk.surveyed_model, self._titles(model))
        self._suppose()

    def _show_suggestions(self) -> None:
        survey = self.desk.surveyed_model
        self.suggested.clear()
        if survey is None:
            self.suggested.addItem(tr("Looking at every prototype …"))
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

    def _show_detail(self, index: int) -> None:
        model, survey = self.desk.model, self.desk.surveyed_model
        if model is None or index not in self.grid.cards:
            return
        facts = None if survey is None else {one.index: one for one in survey.prototypes}.get(index)
        pictures = self.grid.library.of(model.patches[index]) if model.patches else None
        marks = marks_of(self.session.study, model.run)
        self.detail.show_prototype(model, index, pictures, facts, marks.get(index, Mark.NONE))

    def _titles(self, model: OpenedModel) -> dict[str, str]:
        return {case.lesion_id: case.title for case in model.cases}

    def _suppose(self) -> None:
        """Work out what the ticked set would do."""
        model, ticked = self.desk.model, self.grid.ticked
        self.problem.hide()
        self.outcome = None
        if model is None:
            return
        numbers = ", ".join(str(index + 1) for index in sorted(ticked))
        self.state.setText(
            tr("Without prototype {numbers}, refitted:", numbers=numbers)
            if ticked
            else tr("Tick prototypes to see at once what the model would be without them.")
        )
        self.supposing.ask(model, ticked, self.desk.surveyed_model)
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
        self.problem.setText(sentence)
        self.problem.show()
        self._enable()

    def _enable(self) -> None:
        model = self.desk.model
        able = model is not None and self.session.can_write and not self.desk.is_opening
        self.prune.setEnabled(able and self.outcome is not None and bool(self.reason.text().strip()))
        self.prune.setToolTip("" if self.reason.text().strip() else tr("Give a reason first"))
        revisions = () if model is None else self.session.study.models.of_run(model.run.id)
        self.undo.setEnabled(able and model is not None and model.revision.parent_id is not None)
        self.redo.setEnabled(
            able and any(m.parent_id == model.revision.id for m in revisions if model is not None)
        )
        self.actions_changed.emit()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self.supposing.stop()
                self.detail.index = -1
            case ModelRevised():
                self.reason.clear()
            case OpinionGiven(subject=subject) if subject.startswith("prototype") and self.isVisible():
                model = self.desk.model
                if model is not None:
                    marks = marks_of(self.session.study, model.run)
                    self.grid.show_facts(self.desk.surveyed_model, marks)
                    self._show_detail(self.detail.index)

    # what the user does

    def _select_suggested(self) -> None:
        survey, place = self.desk.surveyed_model, self.suggested.currentIndex()
        if survey is None:
            return
        wanted = frozenset(survey.removable) if place <= 0 else self._of_reason(_REASONS[place - 1])
        self.grid.tick(wanted)

    def _prune(self) -> None:
        model, outcome = self.desk.model, self.outcome
        if model is not None and outcome is not None:
            self._try(lambda: models.prune(self.session, model.pruning, outcome, self.reason.text()))

    def _undo(self) -> None:
        if (model := self.desk.model) is not None:
            self._try(lambda: models.undo_pruning(self.session, model.run))

    def _redo(self) -> None:
        if (model := self.desk.model) is not None:
            self._try(lambda: models.redo_pruning(self.session, model.run))

    def _activate(self, revision: ModelRevision) -> None:
        self._try(lambda: models.activate(self.session, revision))

    def _mark(self, index: int, mark: Mark) -> None:
        if (model := self.desk.model) is not None:
            self._try(lambda: models.mark(self.session, model.run, index, mark))
            self._show_detail(index)

    def _compare(self, first: ModelRevision, second: ModelRevision) -> None:
        if (model := self.desk.model) is not None:
            self.tabs.setCurrentIndex(0)
            self.state.setText(
                tr("“{first}” (now) beside “{second}” (after):", first=tr(first.reason), second=tr(second.reason))
            )
            self.supposing.compare(model, first, second, self.desk.surveyed_model)

    def _try(self, act: object) -> None:
        try:
            act()  # type: ignore[operator]
        except MarginaliaError as error:
            self.problem.setText(translate_message(error))
            self.problem.show()
            self.tabs.setCurrentIndex(0)


class PruningHistory:
    """The revisions of the model as the history of the screen: what its two buttons do."""

    def __init__(self, screen: PrototypesScreen) -> None:
        self._screen = screen

    @property
    def undo_text(self) -> str:
        return tr("Pruning") if self._screen.undo.isEnabled() else ""

    @property
    def redo_text(self) -> str:
        return tr("Pruning") if self._screen.redo.isEnabled() else ""

    def undo(self) -> None:
        self._screen.undo.click()

    def redo(self) -> None:
        self._screen.redo.click()
