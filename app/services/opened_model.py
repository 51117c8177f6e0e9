"""A run's active model, opened for Review and Prototypes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.study import ModelRevision, Run

if TYPE_CHECKING:
    # these bring torch, for which a window without a model need not wait
    from core.explain.prototype_patches import PrototypePatch
    from core.tasks.review.case_list import ReviewCase
    from core.tasks.review.model_in_study import ModelInStudy
    from core.tasks.review.prototypes import Pruning


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedModel:
    """The active model of a run, its pictures and its list of lesions.

    Only the thread of the model service may use the network.
    """

    opened: ModelInStudy
    pruning: Pruning
    revision: ModelRevision
    patches: tuple[PrototypePatch, ...]
    """Pictures of the unpruned model's prototypes; () where they cannot be shown."""
    no_patches: str
    """Reason in a sentence where there are no pictures."""
    cases: tuple[ReviewCase, ...]

    @property
    def run(self) -> Run:
        return self.opened.run

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.opened.model.card.class_names
