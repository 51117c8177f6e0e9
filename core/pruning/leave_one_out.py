"""The value of each prototype: the model without it, refitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.domain.vocabulary import Part
from core.platform.blas import one_thread
from core.pruning.prune import PreparedTable, PrunableState, PruneOutcome, prune
from core.training.last_layers import MalignancyFit


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth:
    """The outcome of removing one prototype; None where it is the last of its class and must stay."""

    index: int
    outcome: PruneOutcome | None

    def auroc_cost(self, part: Part) -> float | None:
        """Mean margin AUROC with the prototype minus without it: positive where it helps; None if undefined."""
        return self._cost(part, "auroc_mean")

    def cross_entropy_cost(self, part: Part) -> float | None:
        """Cross-entropy without the prototype minus with it: positive where it helps; None if undefined."""
        cost = self._cost(part, "cross_entropy")
        return None if cost is None else -cost

    def _cost(self, part: Part, name: str) -> float | None:
        if self.outcome is None or part not in self.outcome.figures_before:
            return None
        with_it: float | None = getattr(self.outcome.figures_before[part], name)
        without: float | None = getattr(self.outcome.figures_after[part], name)
        return None if with_it is None or without is None else with_it - without


@one_thread()
def leave_one_out(
    table: PreparedTable,
    state: PrunableState,
    *,
    malignancy_fit: MalignancyFit = "out-of-fold",
    done: Callable[[int], object] = lambda count: None,
    cancelled: IsCancelled = never,
) -> tuple[Worth, ...]:
    """Every prototype that is left, in order; Cancelled between two. ``done`` gets how many are finished."""
    classes = [state.prototype_class[j] for j in state.kept]
    found = []
    for j in state.kept:
        if cancelled():
            raise Cancelled
        alone = classes.count(state.prototype_class[j]) == 1
        outcome = None if alone else prune(table, state, {j}, malignancy_fit=malignancy_fit)
        found.append(Worth(index=j, outcome=outcome))
        done(len(found))
    return tuple(found)
