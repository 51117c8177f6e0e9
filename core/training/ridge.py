"""Patient-grouped cross-validation on the similarity table: the ridge of stage A3 and the logits of stage B."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.platform.blas import one_thread
from core.training.refit import Float, Labels, refit

FOLDS = 5
RIDGE_GRID: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
"""Multiplies half the squared distance to the +1/-1 weights; the loss beside it is a mean over lesions."""
DEFAULT_RIDGE = 1e-2
"""Strength used where cross-validation is impossible (all lesions of one patient)."""


@dataclass(frozen=True, kw_only=True)
class RidgeChoice:
    """Cross-validated results for each strength of the grid; ``chosen`` is kept for every later refit."""

    chosen: float
    grid: tuple[float, ...]
    cross_entropy: tuple[float, ...]
    """Held-out mean for each strength; empty where cross-validation was impossible."""
    standard_error: tuple[float, ...]
    """Standard error of the difference between that mean and the smallest, over patients; 0 at the smallest."""


def patient_folds(patient_ids: Sequence[str], labels: Labels, *, folds: int = FOLDS, seed: int = 0) -> Labels:
    """Fold of each row: no patient in two folds, the classes spread as evenly as whole patients allow.

    Patients of the rarest class are dealt first, each to the fold that has fewest lesions of its class. Fewer
    folds than asked for where there are fewer patients. Deterministic for a seed.
    """
    names = sorted(set(patient_ids))
    count = max(1, min(folds, len(names)))
    position = {name: i for i, name in enumerate(names)}
    owner = np.array([position[name] for name in patient_ids], dtype=np.int64)
    classes = int(labels.max()) + 1 if len(labels) else 1
    per_patient = np.zeros((len(names), classes), dtype=np.int64)
    np.add.at(per_patient, (owner, labels), 1)
    rarity = per_patient.sum(axis=0)
    rarest = np.where(per_patient > 0, rarity, np.iinfo(np.int64).max).min(axis=1)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(rarest[shuffled], kind="stable")]
    filled = np.zeros((count, classes), dtype=np.int64)
    fold = np.zeros(len(names), dtype=np.int64)
    for patient in order:
        has = per_patient[patient] > 0
        load = list(zip(filled[:, has].sum(axis=1), filled.sum(axis=1), range(count), strict=True))
        fold[patient] = min(load)[2]
        filled[fold[patient]] += per_patient[patient]
    return fold[owner]


@one_thread()
def choose_ridge(
    scores: NDArray[np.floating],
    labels: Labels,
    patient_ids: Sequence[str],
    anchor: Float,
    *,
    grid: Sequence[float] = RIDGE_GRID,
) -> RidgeChoice:
    """Return the largest ridge whose held-out cross-entropy lies within one standard error of the smallest.

    The error is that of the difference to the best strength, over patients' mean losses: images of a patient
    resemble each other, and what makes a patient hard for one strength makes him hard for all. Chosen once per
    training; every refit after pruning keeps it.
    """
    strengths = tuple(sorted(grid))
    fold = patient_folds(patient_ids, labels)
    if fold.max(initial=0) == 0:
        return RidgeChoice(chosen=DEFAULT_RIDGE, grid=strengths, cross_entropy=(), standard_error=())
    table = np.asarray(scores, dtype=np.float64)
    names, owner = np.unique(np.asarray(patient_ids), return_inverse=True)
    counts = np.bincount(owner)
    losses: dict[float, Float] = {}
    start: Float | None = None
    for strength in reversed(strengths):
        logits, start = _held_out(table, labels, fold, anchor, strength, start)
        losses[strength] = _cross_entropy(logits, labels)
    means = tuple(float(losses[strength].mean()) for strength in strengths)
    best = strengths[int(np.argmin(means))]
    by_patient = {
        strength: np.bincount(owner, weights=losses[strength] - losses[best]) / counts for strength in strengths
    }
    errors = tuple(float(by_patient[s].std(ddof=1) / np.sqrt(len(names))) for s in strengths)
    chosen = max(s for s, mean, error in zip(strengths, means, errors, strict=True) if mean <= min(means) + error)
    return RidgeChoice(chosen=chosen, grid=strengths, cross_entropy=means, standard_error=errors)


@one_thread()
def out_of_fold_logits(
    scores: NDArray[np.floating],
    labels: Labels,
    patient_ids: Sequence[str],
    anchor: Float,
    *,
    ridge: float,
    start: Float | None = None,
    fold: Labels | None = None,
) -> Float:
    """Return (n, K) logits, each row by an ``h1`` fitted without any lesion of its patient (stage B).

    ``start`` (the weights fitted on all rows) saves steps, ``fold`` (``patient_folds`` of these rows) the
    dealing of the folds. With a single patient there is no other fold and the in-sample logits are returned.
    """
    table = np.asarray(scores, dtype=np.float64)
    fold = patient_folds(patient_ids, labels) if fold is None else fold
    if fold.max(initial=0) == 0:
        return table @ refit(table, labels, anchor, ridge=ridge, start=start).T
    return _held_out(table, labels, fold, anchor, ridge, start)[0]


def _held_out(
    table: Float, labels: Labels, fold: Labels, anchor: Float, ridge: float, start: Float | None
) -> tuple[Float, Float]:
    """Return held-out logits and the last fold's weights, as a start for the next strength."""
    logits = np.empty((len(table), len(anchor)))
    weights = anchor if start is None else start
    for index in range(int(fold.max()) + 1):
        held = fold == index
        weights = refit(table[~held], labels[~held], anchor, ridge=ridge, start=weights)
        logits[held] = table[held] @ weights.T
    return logits, weights


def _cross_entropy(logits: Float, labels: Labels) -> Float:
    shifted = logits - logits.max(axis=1, keepdims=True)
    own: Float = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return own
