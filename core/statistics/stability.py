"""Agreement of two maps of one lesion, before and after noise, recompression or a small shift.

Maps of shifted images are shifted back by the caller. Values for each pair go through
``core.statistics.bootstrap.mean_estimate``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.activation import TOP_SHARE, top_membership
from core.statistics.grouping import Float
from core.statistics.ranks import average_ranks


def top_overlap(first: ArrayLike, second: ArrayLike, share: float = TOP_SHARE) -> Float:
    """(n,) intersection over union of the top regions of two maps (n, H, W).

    Ties belong to the region in part (``top_membership``): sum of minima over sum of maxima (Ruzicka).
    """
    a, b = _pair(first, second)
    p, q = top_membership(a, share), top_membership(b, share)
    overlap: Float = np.minimum(p, q).sum(axis=(1, 2), dtype=np.float64) / np.maximum(p, q).sum(
        axis=(1, 2), dtype=np.float64
    )
    return overlap


def rank_correlation(first: ArrayLike, second: ArrayLike) -> Float:
    """(n,) Spearman's correlation over the cells of two maps (n, H, W); NaN where a map is constant."""
    a, b = _pair(first, second)
    x, y = (np.array([average_ranks(row) for row in m.reshape(len(m), -1)]) for m in (a, b))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    scale = np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    found: Float = np.divide((x * y).sum(axis=1), scale, out=np.full(len(a), np.nan), where=scale > 0)
    return found


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Float, Float]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 3:
        raise ValueError(f"maps {a.shape} and {b.shape} cannot be compared")
    return a, b
