"""Abstention: a model's performance on the images it keeps when it may report that it has no precedent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.estimate import Estimate
from core.statistics.grouping import Bool

SHARES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, kw_only=True)
class CoveragePoint:
    coverage: float
    """Share of the images that is kept; images of equal evidence are kept or dropped together."""
    threshold: float
    """Smallest evidence that is kept."""
    kept: int
    statistic: Estimate


def coverage_curve(
    evidence: ArrayLike, statistic: Callable[[Bool], Estimate], shares: Sequence[float] = SHARES
) -> tuple[CoveragePoint, ...]:
    """The statistic on the images of most evidence, at least the given share of them each time.

    ``statistic`` takes the (n,) mask of the images that are kept, and computes an AUROC or a kappa on them.
    """
    e = np.asarray(evidence, dtype=np.float64)
    if not e.size or np.isnan(e).any():
        raise ValueError("coverage needs evidence without NaN")
    if not all(0 < share <= 1 for share in shares):
        raise ValueError("shares lie in (0, 1]")
    falling = np.sort(e)[::-1]
    points = []
    for share in shares:
        threshold = float(falling[max(1, int(np.ceil(share * len(e) - 1e-9))) - 1])
        keep = e >= threshold
        points.append(
            CoveragePoint(
                coverage=float(keep.mean()), threshold=threshold, kept=int(keep.sum()), statistic=statistic(keep)
            )
        )
    return tuple(points)
