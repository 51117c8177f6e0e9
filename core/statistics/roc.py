"""The ROC curve itself and the point of a reader on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.auroc import ONE_CLASS, checked
from core.statistics.estimate import Estimate
from core.statistics.grouping import Clusters, Float, yes_or_no
from core.statistics.proportion import proportion


@dataclass(frozen=True, kw_only=True, eq=False)
class RocCurve:
    """One point for each distinct score, from (0, 0) to (1, 1); ties are one step."""

    false_positive: Float
    true_positive: Float
    threshold: Float
    """Images with at least this score are called positive; infinity at (0, 0)."""


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    sensitivity: Estimate
    specificity: Estimate


def roc_curve(positive: ArrayLike, scores: ArrayLike) -> RocCurve:
    """The empirical curve of ``scores`` (n,) against ``positive`` (n,); ValueError where a class is missing."""
    y, s = checked(positive, scores)
    if y.shape[1] != 1:
        raise ValueError("one column of scores at a time")
    if y.all() or not y.any():
        raise ValueError(ONE_CLASS)
    order = np.argsort(-s[:, 0], kind="stable")
    label, value = y[order, 0], s[order, 0]
    last = np.flatnonzero(np.r_[value[1:] != value[:-1], True])
    hits, alarms = np.cumsum(label)[last], np.cumsum(~label)[last]
    return RocCurve(
        false_positive=np.r_[0, alarms / alarms[-1]],
        true_positive=np.r_[0, hits / hits[-1]],
        threshold=np.r_[np.inf, value[last]],
    )


def operating_point(positive: ArrayLike, called: ArrayLike, clusters: Clusters | None = None) -> OperatingPoint:
    """Sensitivity and specificity of yes-or-no calls (n,), of a reader or of a model at one threshold."""
    y, c = yes_or_no(positive), yes_or_no(called)
    if y.shape != c.shape or y.ndim != 1:
        raise ValueError(f"labels {y.shape} do not match calls {c.shape}")
    ids = None if clusters is None else np.asarray(clusters)
    return OperatingPoint(
        sensitivity=proportion(c[y], None if ids is None else ids[y]),
        specificity=proportion(~c[~y], None if ids is None else ids[~y]),
    )
