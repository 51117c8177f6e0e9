"""Shares of images (abstention, purity, sensitivity) with Wilson's interval, also for images of shared patients.

Wilson, JASA 22 (1927) 209; with clusters the number of images becomes the effective one, n over the design
effect (Korn and Graubard, Surv. Methodol. 24 (1998) 193).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from core.statistics.estimate import Estimate, without_value
from core.statistics.grouping import Clusters, Float, codes, sum_by, yes_or_no


def proportion(hits: ArrayLike, clusters: Clusters | None = None, *, level: float = 0.95) -> Estimate:
    """Share of True in ``hits`` (n,), with Wilson's interval for the effective number of images."""
    h = yes_or_no(hits).astype(np.float64)
    if not h.size:
        return without_value("there are no images")
    p = float(h.mean())
    size, count = float(len(h)), None
    method = "Wilson 1927, images taken as independent"
    if clusters is not None:
        code = codes(clusters, len(h))
        count = int(code.max()) + 1
        size = _effective_size(h - p, code, count)
        method = "Wilson 1927, clustered by patient (Korn and Graubard 1998)"
    if size <= 0:
        return Estimate(
            value=p, level=level, method=method, n=len(h), clusters=count, reason="one patient holds all images"
        )
    z2 = float(ndtri((1 + level) / 2)) ** 2
    centre = (p + z2 / (2 * size)) / (1 + z2 / size)
    half = np.sqrt(z2) / (1 + z2 / size) * np.sqrt(p * (1 - p) / size + z2 / (4 * size**2))
    return Estimate(
        value=p,
        low=max(0.0, float(centre - half)),
        high=min(1.0, float(centre + half)),
        level=level,
        method=method,
        n=len(h),
        clusters=count,
    )


def _effective_size(deviation: Float, code: np.ndarray, count: int) -> float:
    """Images over the design effect, never more than there are; the number of patients where nothing varies."""
    n = len(deviation)
    if count < 2:
        return 0.0
    plain = float((deviation**2).sum()) / n**2
    if plain == 0:
        return float(count)
    clustered = float((sum_by(deviation, code, count) ** 2).sum()) / n**2 * count / (count - 1)
    return min(float(n), n * plain / clustered) if clustered > 0 else float(n)
