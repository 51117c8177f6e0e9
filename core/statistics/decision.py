"""Decision curves: is acting on the model better than biopsying everybody or nobody?

Vickers and Elkin, Med. Decis. Making 26 (2006) 565. At a threshold t, a biopsy is done where the predicted
probability of malignancy is at least t; net benefit = TP/n - FP/n t/(1 - t), in true positives an image.
BI-RADS recommends a biopsy above a probability of 2%.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.bootstrap import Resamples, interval, mean_draws
from core.statistics.estimate import Estimate
from core.statistics.grouping import Bool, Float, yes_or_no

BIOPSY_THRESHOLD = 0.02
THRESHOLDS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True, kw_only=True)
class DecisionPoint:
    threshold: float
    model: Estimate
    biopsy_all: Estimate
    """Biopsying nobody has net benefit 0."""
    gain: Estimate
    """Gain of the model over the better of all and nobody."""


def contributions(positive: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> Float:
    """(n, T) each image's share in the net benefit, whose mean over images it is."""
    y, p, t = _checked(positive, probability, thresholds)
    worth: Float = np.where(y[:, None], 1.0, -t / (1 - t))
    return np.where(p[:, None] >= t, worth, 0.0)


def net_benefit(positive: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> Float:
    """(T,) net benefit of the model."""
    found: Float = contributions(positive, probability, thresholds).mean(axis=0)
    return found


def decision_curve(
    positive: ArrayLike,
    probability: ArrayLike,
    resamples: Resamples,
    thresholds: ArrayLike = THRESHOLDS,
    *,
    level: float = 0.95,
) -> tuple[DecisionPoint, ...]:
    """Net benefit of model and of biopsying all at each threshold, and what the model gains over the better."""
    y, p, t = _checked(positive, probability, thresholds)
    each = np.stack([contributions(y, p, t), contributions(y, np.ones(len(y)), t)])
    values = each.mean(axis=1)
    draws = [mean_draws(one, resamples) for one in each]
    gain, gain_draws = values[0] - np.maximum(values[1], 0), draws[0] - np.maximum(draws[1], 0)

    def estimate(value: Float, drawn: Float, k: int) -> Estimate:
        return interval(float(value[k]), drawn[:, k], resamples, level=level)

    return tuple(
        DecisionPoint(
            threshold=float(t[k]),
            model=estimate(values[0], draws[0], k),
            biopsy_all=estimate(values[1], draws[1], k),
            gain=estimate(gain, gain_draws, k),
        )
        for k in range(len(t))
    )


def _checked(positive: ArrayLike, probability: ArrayLike, thresholds: ArrayLike) -> tuple[Bool, Float, Float]:
    y, p = yes_or_no(positive), np.asarray(probability, dtype=np.float64)
    t = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if y.shape != p.shape or y.ndim != 1 or not y.size:
        raise ValueError(f"labels {y.shape} do not match probabilities {p.shape}")
    if not ((t > 0) & (t < 1)).all() or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("thresholds lie inside (0, 1) and probabilities in [0, 1]")
    return y, p, t
