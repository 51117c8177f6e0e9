"""The model's output if a prototype were absent or a margin score were different, without a refit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.explain.scores import Scored

if TYPE_CHECKING:  # an explanation is made with torch, which reading its numbers does not need
    from core.explain.explanation import Explanation


@dataclass(frozen=True, kw_only=True)
class Supposition:
    """The hypothetical changes to one case; empty, it changes nothing."""

    off: frozenset[int] = frozenset()
    """Rows of the explanation whose contributions are left out."""
    scores: Mapping[int, float] = field(default_factory=dict)
    """Class index to the margin score that is put in the place of the model's."""

    def __bool__(self) -> bool:
        return bool(self.off) or bool(self.scores)


@dataclass(frozen=True, kw_only=True, eq=False)
class Supposed(Scored):
    """The result of a hypothetical change, with the model's present weights."""

    logits: NDArray[np.float64]
    """(K,)"""
    malignancy_logit: float | None
    """``v . z + b`` of these scores; None where the model predicts no malignancy."""


def suppose(explanation: Explanation, supposition: Supposition) -> Supposed:
    """Leave out the contributions that are off, then put in the scores that are set."""
    gone = np.zeros(len(explanation.class_names))
    for row in explanation.rows:
        if row.index in supposition.off:
            gone += row.contributions
    logits = explanation.logits - gone
    for class_index, score in supposition.scores.items():
        logits[class_index] = score
    malignancy = None
    if explanation.malignancy_logit is not None:
        malignancy = float(explanation.malignancy_weights @ logits + explanation.malignancy_bias)
    return Supposed(logits=logits, malignancy_logit=malignancy)
