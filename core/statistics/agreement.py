"""Cohen's kappa between the reader's class and the model's, overall and per class.

Cohen, Educ. Psychol. Meas. 20 (1960) 37. Per class: the 2 x 2 table of that class against the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.bootstrap import Resamples, interval
from core.statistics.estimate import Estimate
from core.statistics.grouping import Float, Int


@dataclass(frozen=True, kw_only=True)
class Agreement:
    overall: Estimate
    per_class: dict[str, Estimate]
    accuracy: Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class AgreementDraws:
    """On every resample, NaN where undefined."""

    overall: Float
    """(B,)"""
    per_class: Float
    """(B, K)"""
    accuracy: Float
    """(B,)"""


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Int:
    """(K, K) counts, rows the reader's class, columns the model's."""
    cell = _cells(truth, predicted, classes)
    return np.bincount(cell, minlength=classes**2).reshape(classes, classes)


def kappa_of(tables: ArrayLike) -> Float:
    """(...,) kappa of tables (..., K, K); NaN where both raters use one and the same class only."""
    table = np.asarray(tables, dtype=np.float64)
    total = table.sum(axis=(-2, -1))
    seen = np.trace(table, axis1=-2, axis2=-1) * total
    expected = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1)
    room = total**2 - expected
    kappa: Float = np.divide(seen - expected, room, out=np.full(np.shape(room), np.nan), where=room > 0)
    return kappa


def class_tables(tables: ArrayLike) -> Float:
    """(..., K, 2, 2) tables of each class against the others, from (..., K, K)."""
    table = np.asarray(tables, dtype=np.float64)
    both = np.diagonal(table, axis1=-2, axis2=-1)
    rows, columns = table.sum(axis=-1), table.sum(axis=-2)
    neither = table.sum(axis=(-2, -1))[..., None] - rows - columns + both
    cells = np.stack([neither, columns - both, rows - both, both], axis=-1)
    return cells.reshape(*cells.shape[:-1], 2, 2)


def agreement_draws(truth: ArrayLike, predicted: ArrayLike, classes: int, resamples: Resamples) -> AgreementDraws:
    cell = _cells(truth, predicted, classes)
    tables = resamples.totals(cell[:, None] == np.arange(classes**2)).reshape(-1, classes, classes)
    return AgreementDraws(
        overall=kappa_of(tables),
        per_class=kappa_of(class_tables(tables)),
        accuracy=np.trace(tables, axis1=-2, axis2=-1) / tables.sum(axis=(-2, -1)),
    )


def agreement(
    truth: ArrayLike,
    predicted: ArrayLike,
    names: Sequence[str],
    resamples: Resamples,
    *,
    level: float = 0.95,
) -> Agreement:
    """Kappa and accuracy of ``predicted`` (n,) against ``truth`` (n,), indices into ``names``."""
    table = confusion(truth, predicted, len(names))
    draws = agreement_draws(truth, predicted, len(names), resamples)
    each = kappa_of(class_tables(table))

    def estimate(value: float, drawn: Float, reason: str) -> Estimate:
        found = interval(value, drawn, resamples, level=level)
        if found.value is not None:
            return found
        return Estimate(value=None, level=level, method=found.method, n=found.n, undefined=1, reason=reason)

    return Agreement(
        overall=estimate(float(kappa_of(table)), draws.overall, "reader and model name one class only"),
        per_class={
            name: estimate(float(each[k]), draws.per_class[:, k], f"neither reader nor model distinguishes {name}")
            for k, name in enumerate(names)
        },
        accuracy=estimate(float(np.trace(table) / table.sum()), draws.accuracy, "no images"),
    )


def _cells(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Int:
    t, p = np.asarray(truth, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if t.shape != p.shape or t.ndim != 1 or not t.size:
        raise ValueError(f"agreement needs two equally long lists, not {t.shape} and {p.shape}")
    if min(t.min(), p.min()) < 0 or max(t.max(), p.max()) >= classes:
        raise ValueError(f"classes must lie in 0..{classes - 1}; leave out images without a class first")
    cell: Int = t * classes + p
    return cell
