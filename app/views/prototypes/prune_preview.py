"""Works out beside the window's thread what a pruning would do: point values at once, then intervals.

The newest request wins: what is no longer asked for is neither finished nor shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.qt.background import Background, WorkResult
from app.services.opened_model import OpenedModel
from core.domain.study import ModelRevision

if TYPE_CHECKING:
    from core.pruning.compare import Difference
    from core.pruning.prune import PruneOutcome
    from core.tasks.review.prototype_survey import Survey


@dataclass(frozen=True, kw_only=True)
class _PreviewKey:
    turn: int


class PrunePreview(QObject):
    found = Signal(object)
    """A ``PruneOutcome``."""
    compared = Signal(object)
    """The ``Difference`` of each figure, for the outcome that was found last."""
    refused = Signal(str)
    """Why the set cannot be pruned, in a sentence."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._turn = 0
        self._model: OpenedModel | None = None
        self._survey: Survey | None = None
        self._newest = threading.Event()
        self._points = Background(self, name="pruning", most=1)
        self._intervals = Background(self, name="intervals", most=1)
        self._points.done.connect(self._take_outcome)
        self._intervals.done.connect(self._take_differences)

    @property
    def idle(self) -> bool:
        """True if nothing is being computed."""
        return self._points.is_idle and self._intervals.is_idle

    def ask(self, model: OpenedModel, remove: frozenset[int], survey: Survey | None = None) -> None:
        """Request the figures of the model without these prototypes; with none, of the model itself.

        ``survey``: for the precision."""

        def work() -> PruneOutcome:
            from core.pruning.prune import compare_states

            pruning = model.pruning
            if not remove:
                return compare_states(pruning.table, pruning.state, pruning.state)
            return pruning.outcome(set(remove))

        self._begin(model, survey)
        self._points.submit(_PreviewKey(turn=self._turn), work)

    def compare(
        self, model: OpenedModel, first: ModelRevision, second: ModelRevision, survey: Survey | None = None
    ) -> None:
        """Two revisions of the model's run."""

        def work() -> PruneOutcome:
            from core.pruning.prune import compare_states
            from core.pruning.revision import load_revision, revised_state

            pruning = model.pruning
            folder = pruning.study.run_folder(pruning.run.id)
            states = [
                revised_state(pruning.base, None if one.parent_id is None else load_revision(folder, one.id))
                for one in (first, second)
            ]
            return compare_states(pruning.table, states[0], states[1])

        self._begin(model, survey)
        self._points.submit(_PreviewKey(turn=self._turn), work)

    def stop(self) -> None:
        self._turn += 1
        self._newest.set()
        self._points.stop()
        self._intervals.stop()
        self._model = self._survey = None

    def _begin(self, model: OpenedModel, survey: Survey | None) -> None:
        self._turn += 1
        self._survey = survey
        self._model = model
        # what is being worked out for the request before stops; the next has an event of its own
        self._newest.set()
        self._newest = threading.Event()

    def _take_outcome(self, outcome: WorkResult) -> None:
        if outcome.key != _PreviewKey(turn=self._turn) or self._model is None:
            return
        if outcome.error is not None:
            self.refused.emit(outcome.sentence)
            return
        found: PruneOutcome = outcome.value  # type: ignore[assignment]
        self.found.emit(found)
        if found.before is found.after:
            return
        judged, survey, stop = self._model.pruning.table.judged, self._survey, self._newest

        def work() -> tuple[Difference, ...]:
            from core.pruning.compare import differences

            known = differences(found, judged, cancelled=stop.is_set)
            if survey is None:
                return known
            from core.tasks.review.prototype_survey import precision_differences

            return (*known, *precision_differences(survey, found, stop.is_set))

        self._intervals.submit(outcome.key, work)

    def _take_differences(self, outcome: WorkResult) -> None:
        if outcome.key == _PreviewKey(turn=self._turn) and outcome.error is None:
            self.compared.emit(outcome.value)
