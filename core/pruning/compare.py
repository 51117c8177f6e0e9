"""Two states of a model on the same lesions: differences with intervals and paired tests, clustered by patient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.errors import Cancelled
from core.domain.events import IsCancelled, never
from core.domain.vocabulary import Part
from core.pruning.figures import brier_of, malignancy_of
from core.pruning.prune import PrunableState, PruneOutcome
from core.statistics.agreement import agreement_draws, confusion, kappa_of
from core.statistics.auroc import compare_aurocs
from core.statistics.bootstrap import compare, mean_draws, multiclass_auroc_draws, resample
from core.statistics.calibration import calibration_draws, fit_line
from core.statistics.estimate import Comparison
from core.training.similarity_table import SimilarityTable

DRAWS = 1000
"""Enough for an interval that is looked at while deciding; reports use ``core.statistics.bootstrap.DRAWS``."""

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """After minus before, of one figure on one part."""

    part: Part
    key: str
    """auroc:CLASS, auroc_mean, kappa, malignancy_auroc, calibration_slope, cross_entropy or brier, as in
    ``PartFigures``; lesion_precision or fine_precision of ``core.tasks.review.prototype_survey``."""
    comparison: Comparison


def differences(
    outcome: PruneOutcome,
    judged: dict[Part, SimilarityTable],
    *,
    draws: int = DRAWS,
    cancelled: IsCancelled = never,
) -> tuple[Difference, ...]:
    """Return the difference of every figure that both states have. Raises: Cancelled between figures."""
    found: list[Difference] = []
    for part, rows in judged.items():
        found += _of_part(outcome, part, rows, draws, cancelled)
    return tuple(found)


def _of_part(
    outcome: PruneOutcome, part: Part, rows: SimilarityTable, draws: int, cancelled: IsCancelled
) -> list[Difference]:
    after, before = outcome.after.logits(rows), outcome.before.logits(rows)
    label, patients = rows.label, rows.patient_ids
    shares = _softmax(after), _softmax(before)
    classes = after.shape[1]
    found = []
    for c, name in enumerate(outcome.after.class_names):
        _go_on(cancelled)
        comparison = compare_aurocs(label == c, shares[0][:, c], shares[1][:, c], patients)
        found.append(Difference(part=part, key=f"auroc:{name}", comparison=comparison))
    resamples = resample(patients, len(rows), draws=draws)
    figures = outcome.figures_after[part], outcome.figures_before[part]
    _go_on(cancelled)
    means = [multiclass_auroc_draws(label, share, resamples)[1] for share in shares]
    pairs = [(figure.auroc_mean, drawn) for figure, drawn in zip(figures, means, strict=True)]
    found.append(Difference(part=part, key="auroc_mean", comparison=compare(pairs[0], pairs[1], resamples)))
    _go_on(cancelled)
    kappas = []
    for logits in (after, before):
        said = logits.argmax(axis=1)
        value = float(kappa_of(confusion(label, said, classes)))
        known = value if np.isfinite(value) else None
        kappas.append((known, agreement_draws(label, said, classes, resamples).overall))
    found.append(Difference(part=part, key="kappa", comparison=compare(kappas[0], kappas[1], resamples)))
    own = [-np.log(share[np.arange(len(rows)), label]) for share in shares]
    losses = [(float(values.mean()), mean_draws(values, resamples)[:, 0]) for values in own]
    found.append(Difference(part=part, key="cross_entropy", comparison=compare(losses[0], losses[1], resamples)))
    own = [brier_of(share, label) for share in shares]
    brier = [(float(values.mean()), mean_draws(values, resamples)[:, 0]) for values in own]
    found.append(Difference(part=part, key="brier", comparison=compare(brier[0], brier[1], resamples)))
    malignancy = _malignancy(outcome, rows, after, before)
    if malignancy is not None:
        found.append(Difference(part=part, key="malignancy_auroc", comparison=malignancy))
    _go_on(cancelled)
    slope = _slope(outcome, rows, after, before)
    if slope is not None:
        found.append(Difference(part=part, key="calibration_slope", comparison=slope))
    return found


def _malignancy(outcome: PruneOutcome, rows: SimilarityTable, after: Float, before: Float) -> Comparison | None:
    known = rows.malignant >= 0
    scores = []
    for state, logits in ((outcome.after, after), (outcome.before, before)):
        score = _malignancy_scores(state, logits)
        if score is None:
            return None
        scores.append(score[known])
    patients = [p for p, there in zip(rows.patient_ids, known, strict=True) if there]
    if not known.any():
        return None
    return compare_aurocs(rows.malignant[known] == 1, scores[0], scores[1], patients)


def _slope(outcome: PruneOutcome, rows: SimilarityTable, after: Float, before: Float) -> Comparison | None:
    known = rows.malignant >= 0
    first, second = outcome.after.heads.malignancy, outcome.before.heads.malignancy
    if first is None or second is None or not known.any():
        return None
    patients = [p for p, there in zip(rows.patient_ids, known, strict=True) if there]
    resamples = resample(patients, len(patients), draws=DRAWS)
    pairs = []
    for head, logits in ((first, after), (second, before)):
        positive, probability = malignancy_of(logits, rows.malignant, head)
        value = float(fit_line(positive, probability, np.ones((1, len(positive))))[0, 1])
        drawn = calibration_draws(positive, probability, resamples)[0][:, 1]
        pairs.append((value if np.isfinite(value) else None, drawn))
    return compare(pairs[0], pairs[1], resamples)


def _malignancy_scores(state: PrunableState, logits: Float) -> Float | None:
    head = state.heads.malignancy
    if head is None:
        return None
    score: Float = logits @ head.weights + head.bias
    return score


def _softmax(logits: Float) -> Float:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    share: Float = raised / raised.sum(axis=1, keepdims=True)
    return np.maximum(share, np.finfo(np.float64).tiny)


def _go_on(cancelled: IsCancelled) -> None:
    if cancelled():
        raise Cancelled
