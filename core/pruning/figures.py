"""The performance of the heads on the rows of a table: point values, fast enough to follow the mouse.

Intervals belong to ``core.evaluation``; an undefined value is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from core.statistics.agreement import confusion, kappa_of
from core.statistics.auroc import components
from core.statistics.calibration import fit_line
from core.training.refit import Malignancy

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PartFigures:
    """Point values on the rows of one part that have a trained class."""

    lesions: int
    auroc: tuple[float | None, ...]
    """One against the rest, per class; None where a class is absent or alone."""
    auroc_mean: float | None
    """Weighted by class size over the classes that have one."""
    kappa: float | None
    """Cohen's, between the reader's class and the predicted one."""
    accuracy: float | None
    malignancy_auroc: float | None
    """Over the biopsied lesions; None without both outcomes or without a malignancy head."""
    calibration_slope: float | None
    """The slope of the malignancy probability over the biopsied lesions (Cox 1958): 1 if calibrated."""
    cross_entropy: float | None
    brier: float | None
    """Mean squared distance between the probabilities and the class (Brier 1950): calibration and sharpness."""


def part_figures(
    logits: Float, label: NDArray[np.int64], malignant: NDArray[np.int64], malignancy: Malignancy | None
) -> PartFigures:
    """Figures of ``n`` rows of logits (n, K); ``label`` (n,), ``malignant`` (n,) with -1 for no biopsy."""
    n, classes = logits.shape
    shifted = logits - logits.max(axis=1, keepdims=True)
    raised = np.exp(shifted)
    total = raised.sum(axis=1)
    probabilities = raised / total[:, None]
    per_class = tuple(_auroc(label == c, probabilities[:, c]) for c in range(classes))
    predicted = logits.argmax(axis=1)
    own = shifted[np.arange(n), label] - np.log(total)
    return PartFigures(
        lesions=n,
        auroc=per_class,
        auroc_mean=_weighted(per_class, np.bincount(label, minlength=classes)),
        kappa=_known(float(kappa_of(confusion(label, predicted, classes)))) if n else None,
        accuracy=float((predicted == label).mean()) if n else None,
        malignancy_auroc=None if malignancy is None else _malignancy_auroc(logits, malignant, malignancy),
        calibration_slope=None if malignancy is None else _slope(logits, malignant, malignancy),
        cross_entropy=float(-own.mean()) if n else None,
        brier=float(brier_of(probabilities, label).mean()) if n else None,
    )


def brier_of(probabilities: Float, label: NDArray[np.int64]) -> Float:
    """(n,) sum over classes of (probability - 1 where it is the class)^2, in [0, 2]."""
    truth = np.eye(probabilities.shape[1])[label]
    distance: Float = np.square(probabilities - truth).sum(axis=1)
    return distance


def _malignancy_auroc(logits: Float, malignant: NDArray[np.int64], head: Malignancy) -> float | None:
    known = malignant >= 0
    return _auroc(malignant[known] == 1, logits[known] @ head.weights + head.bias)


def malignancy_of(
    logits: Float, malignant: NDArray[np.int64], head: Malignancy
) -> tuple[NDArray[np.bool_], Float]:
    """Outcome and predicted probability of the biopsied rows."""
    known = malignant >= 0
    probability: Float = expit(logits[known] @ head.weights + head.bias)
    return malignant[known] == 1, probability


def _slope(logits: Float, malignant: NDArray[np.int64], head: Malignancy) -> float | None:
    positive, probability = malignancy_of(logits, malignant, head)
    if not len(positive):
        return None
    return _known(float(fit_line(positive, probability, np.ones((1, len(positive))))[0, 1]))


def _auroc(positive: NDArray[np.bool_], scores: Float) -> float | None:
    if not positive.any() or positive.all():
        return None
    return float(components(positive, scores).auroc[0])


def _weighted(values: Sequence[float | None], sizes: NDArray[np.int64]) -> float | None:
    pairs = [(value, int(size)) for value, size in zip(values, sizes, strict=True) if value is not None]
    total = sum(size for _, size in pairs)
    return sum(value * size for value, size in pairs) / total if total else None


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
