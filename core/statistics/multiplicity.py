"""Correction for several tests: Holm, Scand. J. Stat. 6 (1979) 65."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values in the order given; tests that are undefined (None) stay so and do not count."""
    given = [(p, i) for i, p in enumerate(p_values) if p is not None]
    if any(not 0 <= p <= 1 or np.isnan(p) for p, _ in given):
        raise ValueError("p-values lie in [0, 1]")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(sorted(given)):
        largest = max(largest, min(1.0, (len(given) - rank) * p))
        adjusted[i] = largest
    return adjusted
