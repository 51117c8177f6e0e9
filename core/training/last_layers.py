"""Both last layers from the similarity table: after a projection, and again after every pruning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.training.refit import Float, Malignancy, fit_malignancy, initial_weights, refit
from core.training.ridge import RidgeChoice, choose_ridge, out_of_fold_logits
from core.training.similarity_table import SimilarityTable

MalignancyFit = Literal["out-of-fold", "in-sample"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Heads:
    """``h1`` (stage A3) and ``h2`` (stage B) with the strength that every later refit keeps."""

    weights: Float
    """(K, m)"""
    ridge: float
    malignancy: Malignancy | None
    """Stage B; None if the biopsied training lesions do not hold both outcomes."""
    choice: RidgeChoice | None = None


def fit_heads(
    training: SimilarityTable,
    prototype_class: Sequence[int],
    class_count: int,
    *,
    malignancy_fit: MalignancyFit,
    ridge: float | None = None,
    start: Float | None = None,
) -> Heads:
    """Fit ``h1``, then ``h2`` on its logits; rows without a trained class are ignored.

    ``ridge`` None chooses the strength by patient-grouped cross-validation. ``start`` (K, m) saves steps.
    """
    table = training.rows(training.label >= 0)
    anchor = initial_weights(prototype_class, class_count)
    choice = None
    if ridge is None:
        choice = choose_ridge(table.scores, table.label, table.patient_ids, anchor)
        ridge = choice.chosen
    weights = refit(table.scores, table.label, anchor, ridge=ridge, start=start)
    malignancy = malignancy_of(table, anchor, weights, ridge=ridge, malignancy_fit=malignancy_fit)
    return Heads(weights=weights, ridge=ridge, malignancy=malignancy, choice=choice)


def malignancy_of(
    table: SimilarityTable, anchor: Float, weights: Float, *, ridge: float, malignancy_fit: MalignancyFit
) -> Malignancy | None:
    """Fit stage B: ``h2`` on the logits of a table whose rows all have a trained class; ``weights`` are
    ``h1``."""
    if malignancy_fit == "in-sample":
        logits = table.scores.astype(np.float64) @ weights.T
    else:
        logits = out_of_fold_logits(
            table.scores, table.label, table.patient_ids, anchor, ridge=ridge, start=weights
        )
    return fit_malignancy(logits, table.malignant)
