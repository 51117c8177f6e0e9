"""Ranks with ties averaged, as ``scipy.stats.rankdata`` gives them.

``scipy.stats`` takes two seconds to load, which every command and every process of a training would wait for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rank of each of n finite values, from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[place]
    return ranks
