"""Synthetic readings of patients of two images: binormal scores with a patient's own effect."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

PREVALENCE = 0.33
CORRELATION = 0.5
"""Of the scores of a patient's two images, given their classes."""


def readings(
    rng: np.random.Generator, n: int, theta: float, *, correlation: float = CORRELATION, models: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,), scores (n, models) of true AUROC ``theta`` and patients (n,).

    The two images of a patient are two views of one mass: they share the class, and part of the score.
    Models share half of what is left, as two networks that look at the same pixels do.
    """
    patients = n // 2
    while True:
        mass = rng.random(patients) < PREVALENCE
        if 0 < mass.sum() < patients:
            break
    y = np.repeat(mass, 2)

    def noise() -> np.ndarray:
        own = np.repeat(rng.standard_normal(patients), 2)
        return np.sqrt(correlation) * own + np.sqrt(1 - correlation) * rng.standard_normal(n)

    common = noise()
    alone = np.stack([noise() for _ in range(models)], axis=1)
    mixed = alone if models == 1 else (common[:, None] + alone) / np.sqrt(2)
    return y, mixed + np.sqrt(2) * norm.ppf(theta) * y[:, None], np.repeat(np.arange(patients), 2)
