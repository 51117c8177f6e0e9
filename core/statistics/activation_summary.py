"""From values of pairs (image, prototype) to means with intervals: per prototype, per class and overall.

One table for each quantity: activation precision, its margin over the blob, energy, whether it fires inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.statistics.bootstrap import Resamples, compare, interval, mean_draws, mean_estimate
from core.statistics.estimate import Comparison, Estimate
from core.statistics.grouping import Bool, Float, Int, sum_by


@dataclass(frozen=True, kw_only=True, eq=False)
class PairTable:
    """One row for each pair of an image and a prototype of the image's class."""

    image: Int
    """(r,) row of the image in the evaluation, 0..n-1: the row of its patient in ``Resamples.cluster``."""
    prototype: Int
    """(r,)"""
    klass: Int
    """(r,) class index of the prototype."""
    value: Float
    """(r,) NaN where undefined (an image without a mask)."""

    def __post_init__(self) -> None:
        if not len(self.image) == len(self.prototype) == len(self.klass) == len(self.value):
            raise ValueError("the columns of a table must be equally long")

    def rows(self, chosen: Bool) -> PairTable:
        return PairTable(
            image=self.image[chosen],
            prototype=self.prototype[chosen],
            klass=self.klass[chosen],
            value=self.value[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class PairSummary:
    over_pairs: Estimate
    """Mean over pairs, as in the paper."""
    over_images: Estimate
    """Mean over images of the mean over the image's prototypes."""
    per_class: dict[str, Estimate]
    """Over pairs."""
    per_prototype: dict[int, Estimate]


@dataclass(frozen=True, kw_only=True)
class PairComparison:
    over_pairs: Comparison
    over_images: Comparison


def image_values(table: PairTable, n: int, how: str = "mean") -> Float:
    """(n,) mean (or "max": ever) over the prototypes of each image; NaN where the image has no defined pair."""
    there = ~np.isnan(table.value)
    if how == "max":
        best = np.full(n, -np.inf)
        np.maximum.at(best, table.image[there], table.value[there])
        return np.where(np.isinf(best), np.nan, best)
    total = sum_by(np.where(there, table.value, 0), table.image, n)
    size = np.bincount(table.image, weights=there, minlength=n)
    mean: Float = np.divide(total, size, out=np.full(n, np.nan), where=size > 0)
    return mean


def over_pairs(table: PairTable, resamples: Resamples, *, level: float = 0.95) -> Estimate:
    """Mean over the pairs of the table; ``n`` counts pairs, the interval resamples patients."""
    return mean_estimate(table.value, resamples, resamples.cluster[table.image], level=level)


def over_images(table: PairTable, resamples: Resamples, *, how: str = "mean", level: float = 0.95) -> Estimate:
    """Mean over the images of the table.

    With ``how`` "max" on a table of ``fires_inside``: the share of annotated images in which a prototype ever
    fires inside the mask.
    """
    values = image_values(table, resamples.n, how)
    asked = np.zeros(resamples.n, dtype=np.bool_)
    asked[table.image] = True
    return mean_estimate(values[asked], resamples, resamples.cluster[asked], level=level)


def summarise(table: PairTable, names: Sequence[str], resamples: Resamples, *, level: float = 0.95) -> PairSummary:
    """Every mean of the table; classes and prototypes without a pair are undefined, not 0."""
    return PairSummary(
        over_pairs=over_pairs(table, resamples, level=level),
        over_images=over_images(table, resamples, level=level),
        per_class=dict(
            zip(names, _grouped(table.value, table.klass, len(names), table, resamples, level), strict=True)
        ),
        per_prototype=_per_prototype(table, resamples, level),
    )


def pair_draws(table: PairTable, resamples: Resamples) -> tuple[Float, Float]:
    """(B,) mean over pairs and (B,) mean over images on every resample, for paired comparisons of models."""
    pairs = mean_draws(table.value, resamples, resamples.cluster[table.image])[:, 0]
    return pairs, mean_draws(image_values(table, resamples.n), resamples)[:, 0]


def compare_tables(
    first: PairTable, second: PairTable, resamples: Resamples, *, level: float = 0.95
) -> PairComparison:
    """Means of two models' tables (first minus second) over the same images, paired by the resamples."""
    a, b = pair_draws(first, resamples), pair_draws(second, resamples)
    means = [(_mean(t.value), _mean(image_values(t, resamples.n))) for t in (first, second)]
    return PairComparison(
        over_pairs=compare((means[0][0], a[0]), (means[1][0], b[0]), resamples, level=level),
        over_images=compare((means[0][1], a[1]), (means[1][1], b[1]), resamples, level=level),
    )


def _mean(values: Float) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


def _per_prototype(table: PairTable, resamples: Resamples, level: float) -> dict[int, Estimate]:
    ids, code = np.unique(table.prototype, return_inverse=True)
    found = _grouped(table.value, code.astype(np.int64), len(ids), table, resamples, level)
    return {int(j): estimate for j, estimate in zip(ids, found, strict=True)}


def _grouped(
    value: Float, group: Int, count: int, table: PairTable, resamples: Resamples, level: float
) -> list[Estimate]:
    """Means of the groups of rows, all resampled in one matrix product."""
    spread = np.where(group[:, None] == np.arange(count), value[:, None], np.nan)
    draws = mean_draws(spread, resamples, resamples.cluster[table.image])
    found: list[Estimate] = []
    for g in range(count):
        mine = value[group == g]
        there = ~np.isnan(mine)
        holders = len(np.unique(resamples.cluster[table.image[group == g][there]]))
        one = interval(_mean(mine), draws[:, g], resamples, level=level, holders=holders)
        found.append(
            Estimate(
                value=one.value,
                low=one.low,
                high=one.high,
                level=level,
                method=one.method,
                n=int(there.sum()),
                clusters=one.clusters,
                undefined=int((~there).sum()),
                reason=one.reason if there.any() else "no pair with a mask",
            )
        )
    return found
