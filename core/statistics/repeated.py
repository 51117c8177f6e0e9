"""Areas under the curve of a method that was trained several times (seeds), compared on the same images each time.

The mean over the runs is a weighted sum of areas over the same images. DeLong's components therefore give its
interval and its paired test as for one model, patients clustered. That interval covers other patients, not other
seeds: the effect of the seeds is reported beside it, run by run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.auroc import (
    ONE_CLASS,
    Components,
    compare_components,
    components,
    method_name,
    with_interval,
)
from core.statistics.estimate import Comparison, Estimate, without_value
from core.statistics.grouping import Bool, Clusters, Float, codes
from core.statistics.multiclass import MulticlassAuroc, one_versus_rest


def mean_auroc(
    positive: ArrayLike, scores: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95
) -> Estimate:
    """Mean over R runs of the AUROC of ``scores`` (R, n) against ``positive`` (n,)."""
    y, s = np.asarray(positive).astype(np.bool_), np.asarray(scores, dtype=np.float64)
    if y.all() or not y.any():
        return without_value(ONE_CLASS, n=len(y))
    weights = np.full(len(s), 1 / len(s))
    return _estimate(components(y, s.T), weights, clusters, runs=len(s), level=level)


def compare_mean_auroc(
    positive: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> Comparison:
    """Paired test of the mean areas of two methods with as many runs each, (R, n), first minus second."""
    y = np.asarray(positive).astype(np.bool_)
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if y.all() or not y.any():
        return Comparison(difference=without_value(ONE_CLASS, n=len(y)), p_value=None)
    weights = np.full(len(a), 1 / len(a))
    return compare_components(components(y, a.T), components(y, b.T), weights, clusters, level=level)


def mean_multiclass_auroc(
    labels: ArrayLike,
    scores: ArrayLike,
    names: Sequence[str],
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> MulticlassAuroc:
    """Mean over R runs of every one-against-rest AUROC and of their mean weighted by class size.

    ``labels`` (n,), ``scores`` (R, n, K) probabilities. Classes without an image are left out and counted.
    """
    hot, s = one_versus_rest(labels, len(names)), np.asarray(scores, dtype=np.float64)
    per_class = {name: mean_auroc(hot[:, k], s[:, :, k], clusters, level=level) for k, name in enumerate(names)}
    present = _present(hot)
    if present.sum() < 2:
        reason = "fewer than two classes are present"
        return MulticlassAuroc(per_class=per_class, mean=without_value(reason, n=len(hot)))
    parts, weights = _stacked(hot, s, present)
    mean = _estimate(parts, weights, clusters, runs=len(s), level=level, absent=int((~present).sum()))
    return MulticlassAuroc(per_class=per_class, mean=mean)


def compare_mean_multiclass(
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    names: Sequence[str],
    clusters: Clusters | None = None,
    *,
    level: float = 0.95,
) -> Comparison:
    """Paired test of the weighted mean areas of two methods with as many runs each, (R, n, K)."""
    hot = one_versus_rest(labels, len(names))
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"methods with {a.shape} and {b.shape} scores cannot be paired")
    present = _present(hot)
    if present.sum() < 2:
        return Comparison(difference=without_value("fewer than two classes are present"), p_value=None)
    one, weights = _stacked(hot, a, present)
    two, _ = _stacked(hot, b, present)
    return compare_components(one, two, weights, clusters, level=level)


def _present(hot: Bool) -> Bool:
    return np.asarray(hot.any(axis=0) & ~hot.all(axis=0), dtype=np.bool_)


def _stacked(hot: Bool, scores: Float, present: Bool) -> tuple[Components, Float]:
    """Components of (run, class) in columns, and the weight of each: class size over images and runs."""
    runs = len(scores)
    wide = np.concatenate([hot[:, present]] * runs, axis=1)
    columns = np.concatenate([run[:, present] for run in scores], axis=1)
    size = hot[:, present].sum(axis=0)
    weights: Float = np.tile(size / size.sum(), runs) / runs
    return components(wide, columns), weights


def _estimate(
    parts: Components, weights: Float, clusters: Clusters | None, *, runs: int, level: float, absent: int = 0
) -> Estimate:
    n = len(parts.influence)
    code = codes(clusters, n)
    over = f"mean of {runs} runs, " if runs > 1 else ""
    estimate = Estimate(
        value=float(weights @ parts.auroc),
        level=level,
        method=over + method_name(clusters),
        n=n,
        clusters=None if clusters is None else int(code.max()) + 1,
        undefined=absent,
    )
    return with_interval(estimate, parts, code, weights)
