"""Deletion and insertion curves: does what a map marks matter to the model?

Petsiuk et al., BMVC 2018: pixels are taken away (or put back) in the order of the map. The score of the class is
read after each step. A faithful map makes the score fall early on deletion (small area) and rise early on
insertion (large area). The areas are compared with those of a random order on the same images, by
``core.statistics.bootstrap``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.grouping import Bool, Float

SHARES = tuple(k / 20 for k in range(21))
"""Shares of the pixels taken away at each step."""


def first_pixels(one_map: ArrayLike, shares: ArrayLike = SHARES, *, seed: int = 0) -> Bool:
    """Return masks (S, H, W): True at a map's (H, W) pixels of highest activation, for each of S shares.

    Ties come in random order, so that a constant map gives the random order itself. The masks are nested.
    """
    a = np.asarray(one_map, dtype=np.float64)
    if a.ndim != 2 or np.isnan(a).any():
        raise ValueError("an order of pixels needs one map (H, W) without NaN")
    shuffled = np.random.default_rng(seed).permutation(a.size)
    order = shuffled[np.argsort(-a.ravel()[shuffled], kind="stable")]
    place = np.empty(a.size, dtype=np.int64)
    place[order] = np.arange(a.size)
    counts = _shares(shares)[:, None] * a.size
    masks: Bool = place < np.round(counts)
    return masks.reshape(-1, *a.shape)


def area_under(curves: ArrayLike, shares: ArrayLike = SHARES) -> Float:
    """(n,) area under curves (n, S) over the shares (S,) by trapezoids, in units of the score."""
    c, s = np.asarray(curves, dtype=np.float64), _shares(shares)
    if c.ndim != 2 or c.shape[1] != len(s):
        raise ValueError(f"curves {c.shape} do not match {len(s)} shares")
    area: Float = np.asarray(np.trapezoid(c, s, axis=1))
    return area


def _shares(shares: ArrayLike) -> Float:
    s = np.asarray(shares, dtype=np.float64)
    if s.ndim != 1 or not len(s) or s[0] < 0 or s[-1] > 1 or (np.diff(s) <= 0).any():
        raise ValueError("shares rise within [0, 1]")
    return s
