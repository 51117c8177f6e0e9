"""The model that Review and Prototypes look at: opened, asked and pruned beside the window's thread.

One thread asks the network, newest request first; the next and the previous case wait behind the one that is
looked at. torch is imported there, never in the window's thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from app.qt.background import Background, WorkResult
from app.services.opened_model import OpenedModel
from app.state.changes import (
    Change,
    LabelsChanged,
    ModelRevised,
    OpinionGiven,
    ReaderChanged,
    ReadingGiven,
    RunsChanged,
    StudyClosed,
    StudyClosing,
    StudyOpened,
)
from app.state.session import Session
from core.domain.errors import Cancelled
from core.domain.events import Progress
from core.domain.study import Run, RunStatus

if TYPE_CHECKING:
    from core.domain.shapes import Shape
    from core.explain.panel import Panel
    from core.tasks.review.case_list import ReviewCase
    from core.tasks.review.live_precision import LivePrecision
    from core.tasks.review.prototype_survey import Survey

_KEPT = 24
"""Panels kept: a few megabytes each."""
LIBRARIES = "the libraries of the model"
"""First stage of an opening."""
_PREFETCH_MS = 120
"""After an explanation is there, so that its neighbours do not take the processor while it is painted."""


@dataclass(frozen=True, kw_only=True)
class _ModelKey:
    what: str
    turn: int
    lesion_id: str = ""


@dataclass(kw_only=True)
class _ModelState:
    run: str = ""
    """Id of the run that is open or being opened."""
    model: OpenedModel | None = None
    problem: str = ""
    is_opening: bool = False
    was_stopped: bool = False
    """Flag: the user stopped the opening."""
    turn: int = 0
    """One more with every model: what was asked of another one is forgotten."""
    panels: OrderedDict[str, Panel] = field(default_factory=OrderedDict)
    wanted: str = ""
    neighbours: tuple[str, ...] = ()
    """Neighbours of the wanted lesion: requested once it is there."""
    survey: Survey | None = None
    former_survey: Survey | None = None
    """Survey of the previous revision, until that of this one is there."""
    widest_survey: Survey | None = None
    """Survey of the revision with most prototypes so far: those of the others need no pass over the lesions."""
    survey_problem: str = ""
    survey_wanted: bool = False


class ModelService(QObject):
    opening = Signal(object)
    """A ``Progress``: what is done while a model is opened, in words."""
    model_changed = Signal()
    """Another model, none, or one that is being opened."""
    runs_changed = Signal()
    cases_changed = Signal()
    explained = Signal(object)
    """The ``Panel`` of the lesion that was asked for last."""
    surveyed = Signal()
    surveying = Signal(object)
    """A ``Progress``: how many prototypes are looked at."""
    precision_measured = Signal(object)
    """The ``LivePrecision`` of an annotation; None where it marks nothing that the model sees."""
    refused = Signal(str)
    """Why the lesion that was asked for last cannot be explained."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._state = _ModelState()
        self._closing = False
        """Between the announcement that the study closes and its end nothing may be begun."""
        self._stop = threading.Event()
        self._not_this = threading.Event()
        """Stops the opening that is under way."""
        self._network = Background(self, name="model", most=6)
        self._network.done.connect(self._take)
        self._soon = QTimer(self, singleShot=True, interval=_PREFETCH_MS)
        self._soon.timeout.connect(self._prefetch)
        session.changed.connect(self._follow)

    @property
    def model(self) -> OpenedModel | None:
        return self._state.model

    @property
    def problem(self) -> str:
        """Why no model is open, in a sentence; empty where one is, or where none was asked for."""
        return self._state.problem

    @property
    def surveyed_model(self) -> Survey | None:
        """Survey of every prototype of the model; None while it is not known."""
        return self._state.survey

    @property
    def former_survey(self) -> Survey | None:
        """The survey of the revision before, while that of the active one is worked out."""
        return self._state.former_survey if self._state.survey is None else None

    @property
    def survey_problem(self) -> str:
        return self._state.survey_problem

    @property
    def is_opening(self) -> bool:
        """True while a model is being opened; a model that is shown meanwhile is no longer the active one."""
        return self._state.is_opening

    @property
    def was_stopped(self) -> bool:
        """True if the user stopped the opening of the run; a call of ``open`` begins it again."""
        return self._state.was_stopped

    def stop_opening(self) -> None:
        """``model_changed`` follows when it has stopped."""
        if self._state.is_opening:
            self._not_this.set()

    @property
    def run_id(self) -> str:
        return self._state.run

    def runs(self) -> tuple[Run, ...]:
        """The finished runs of the study, the newest first."""
        if not self.session.is_open or self._closing:
            return ()
        runs = self.session.study.runs.all()
        return tuple(run for run in reversed(runs) if run.status is RunStatus.FINISHED)

    def open_newest(self) -> None:
        """Open the newest finished run, unless one is open."""
        runs = self.runs()
        if not self._state.run and runs:
            self.open(runs[0].id)

    def open(self, run_id: str, *, keep: bool = False) -> None:
        """Open the run's active model; ``model_changed`` is emitted when it is there or has failed.

        ``keep``: the model that is open, of the same run, is shown until then.
        """
        former = self._state
        self._state = _ModelState(
            run=run_id,
            turn=former.turn + 1,
            model=former.model if keep else None,
            wanted=former.wanted,
            neighbours=former.neighbours,
            survey_wanted=former.survey_wanted,
            former_survey=(former.survey or former.former_survey) if keep else None,
            widest_survey=former.widest_survey if keep else None,
            is_opening=True,
        )
        self._submit_opening()
        self.model_changed.emit()

    def ask(self, lesion_id: str, neighbours: Sequence[str] = ()) -> None:
        """Explain this lesion, then its neighbours for when they are wanted."""
        state = self._state
        state.wanted, state.neighbours = lesion_id, tuple(neighbours)
        self._soon.stop()
        if state.model is None or state.is_opening or not lesion_id:
            return
        if lesion_id not in state.panels:
            self._submit_panel(lesion_id)
            return
        state.panels.move_to_end(lesion_id)
        self.explained.emit(state.panels[lesion_id])
        self._soon.start()

    def _prefetch(self) -> None:
        state = self._state
        if state.model is None or state.is_opening:
            return
        for one in reversed(state.neighbours):
            if one not in state.panels:
                self._submit_panel(one)

    def close(self) -> None:
        """Stop what runs and forget the model; afterwards nothing here uses the study."""
        self._stop.set()
        self._network.stop()
        self._stop.clear()
        self._state = _ModelState(turn=self._state.turn + 1)
        self.model_changed.emit()

    def _submit_opening(self) -> None:
        state, study = self._state, self.session.study
        reader = self.session.reader.id if self.session.reader else ""
        stop, run_id, former, say = self._stop, state.run, state.model, self.opening.emit
        self._not_this.set()
        not_this = self._not_this = threading.Event()

        def cancelled() -> bool:
            return stop.is_set() or not_this.is_set()

        def work() -> OpenedModel:
            say(Progress(stage=LIBRARIES, done=0, total=0))
            from app.services.open_model import open_run

            return open_run(study, run_id, reader_id=reader, former=former, emit=say, cancelled=cancelled)

        self._network.submit(_ModelKey(what="open", turn=state.turn), work)

    def _submit_panel(self, lesion_id: str) -> None:
        model, stop = self._state.model, self._stop
        assert model is not None

        def work() -> Panel:
            from core.explain.panel import make_panel

            row = model.opened.row_of(lesion_id)
            explanation = model.opened.explanation(row, stop.is_set)
            return make_panel(explanation, model.patches, model.opened.rois, row)

        self._network.submit(_ModelKey(what="explain", turn=self._state.turn, lesion_id=lesion_id), work)

    def measure_precision(self, lesion_id: str, shapes: tuple[Shape, ...], spacing_mm: float | None) -> None:
        """Measure every prototype's precision in an annotation; ``precision_measured`` follows."""
        model, stop = self._state.model, self._stop
        if model is None or self._state.is_opening:
            return

        def work() -> LivePrecision | None:
            from core.tasks.review.live_precision import precision_in

            return precision_in(model.opened, lesion_id, shapes, spacing_mm, stop.is_set)

        self._network.submit(_ModelKey(what="precision", turn=self._state.turn, lesion_id=lesion_id), work)

    def survey(self) -> None:
        """Look at every prototype over all lesions, unless that is done; ``surveyed`` follows."""
        self._state.survey_wanted = True
        if self._state.model is not None and self._state.survey is None and not self._state.is_opening:
            self._submit_survey()

    def _submit_rest(self) -> None:
        model = self._state.model
        if model is None or not any(case.probabilities is None and case.can_be_seen for case in model.cases):
            return

        def work() -> tuple[ReviewCase, ...]:
            from core.tasks.review.case_list import complete

            return complete(model.cases, model.opened, self._give_way)

        self._network.submit(_ModelKey(what="cases", turn=self._state.turn), work)

    def _submit_survey(self) -> None:
        model, known, emit = self._state.model, self._state.widest_survey, self.surveying.emit
        assert model is not None

        def work() -> Survey:
            from core.tasks.review.prototype_survey import survey_prototypes

            return survey_prototypes(model.opened, model.pruning, self._give_way, known=known, emit=emit)

        self._network.submit(_ModelKey(what="survey", turn=self._state.turn), work)

    def _give_way(self) -> bool:
        """For long work: whether the study closes, or somebody waits for an explanation."""
        return self._stop.is_set() or self._network.has_waiting

    def _take(self, outcome: WorkResult) -> None:
        key = outcome.key
        if not isinstance(key, _ModelKey) or key.turn != self._state.turn:
            return
        if isinstance(outcome.error, Cancelled) and key.what in ("cases", "survey"):
            (self._submit_rest if key.what == "cases" else self._submit_survey)()
            return
        take = {
            "open": self._take_model,
            "explain": self._take_panel,
            "cases": self._take_cases,
            "survey": self._take_survey,
            "precision": self._take_precision,
        }
        take[key.what](key, outcome)

    def _take_model(self, key: _ModelKey, outcome: WorkResult) -> None:
        self._state.model = outcome.value  # type: ignore[assignment]
        self._state.was_stopped = isinstance(outcome.error, Cancelled)
        self._state.problem = "" if self._state.was_stopped else outcome.sentence
        self._state.is_opening = False
        self.model_changed.emit()
        if self._state.model is not None:
            self._submit_rest()
            if self._state.survey_wanted:
                self._submit_survey()
            if self._state.wanted:
                self.ask(self._state.wanted, self._state.neighbours)

    def _take_panel(self, key: _ModelKey, outcome: WorkResult) -> None:
        state = self._state
        if outcome.error is None:
            state.panels[key.lesion_id] = outcome.value  # type: ignore[assignment]
            while len(state.panels) > _KEPT:
                state.panels.popitem(last=False)
        if key.lesion_id == state.wanted:
            if outcome.error is None:
                self.explained.emit(outcome.value)
                self._soon.start()
            else:
                self.refused.emit(outcome.sentence)

    def _take_precision(self, _key: _ModelKey, outcome: WorkResult) -> None:
        self.precision_measured.emit(outcome.value)

    def _take_cases(self, key: _ModelKey, outcome: WorkResult) -> None:
        if outcome.error is None and self._state.model is not None:
            self._state.model = replace(self._state.model, cases=outcome.value)  # type: ignore[arg-type]
            self.cases_changed.emit()

    def _take_survey(self, key: _ModelKey, outcome: WorkResult) -> None:
        self._state.survey = outcome.value  # type: ignore[assignment]
        self._state.survey_problem = outcome.sentence
        known = [one for one in (self._state.widest_survey, self._state.survey) if one is not None]
        self._state.widest_survey = max(known, key=lambda one: len(one.prototypes), default=None)
        self.surveyed.emit()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self._closing = True
                self.close()
            case StudyOpened() | StudyClosed():
                self._closing = False
                self.runs_changed.emit()
                self.model_changed.emit()
            case ModelRevised(run_id=run_id) if run_id == self._state.run:
                self.open(run_id, keep=True)
            case RunsChanged():
                self.runs_changed.emit()
            case OpinionGiven(subject=subject) if subject.startswith("prototype"):
                self._remark()
            case LabelsChanged(lesion_id=lesion_id) | ReadingGiven(lesion_id=lesion_id):
                self._relabel({lesion_id})
            case ReaderChanged():
                model = self._state.model
                if model is not None:
                    self._relabel({case.lesion_id for case in model.cases})

    def _remark(self) -> None:
        """Update the suggestions in the survey to the current marks of prototypes."""
        model, survey = self._state.model, self._state.survey
        if model is None or survey is None:
            return
        from core.tasks.review.prototype_survey import remarked

        self._state.survey = remarked(survey, model.opened, model.pruning)
        self.surveyed.emit()

    def _relabel(self, lesions: set[str]) -> None:
        """The reader's own calls in the list of cases, as they are now."""
        model, reader = self._state.model, self.session.reader
        if model is None:
            return
        from core.tasks.readers.voices import own_calls

        calls = own_calls(self.session.study, reader.id if reader else "", model.opened.model.card.label)
        cases = []
        for case in model.cases:
            if case.lesion_id in lesions:
                own = calls.get(case.lesion_id)
                case = replace(case, own=None if own is None else own.word)
            cases.append(case)
        self._state.model = replace(model, cases=tuple(cases))
        self.cases_changed.emit()
