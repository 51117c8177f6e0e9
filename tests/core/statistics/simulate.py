"""Synthetic readings of patients of two images, which share the class and part of the scores."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax
from scipy.stats import norm

PREVALENCE = 0.33
CORRELATION = 0.5
"""Of the scores of a patient's two images, given their classes."""
CLASS_SHARES = (0.45, 0.3, 0.25)


def patients_of(n: int) -> np.ndarray:
    return np.repeat(np.arange(n // 2), 2)


def _noise(rng: np.random.Generator, n: int, *more: int, correlation: float = CORRELATION) -> np.ndarray:
    """(n, ...) standard normal, correlated between the two images of a patient."""
    own = np.repeat(rng.standard_normal((n // 2, *more)), 2, axis=0)
    return np.sqrt(correlation) * own + np.sqrt(1 - correlation) * rng.standard_normal((n, *more))


def readings(
    rng: np.random.Generator, n: int, theta: float, *, correlation: float = CORRELATION, models: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels (n,), binormal scores (n, models) of true AUROC ``theta`` and patients (n,).

    Models share half of the noise, as two networks that look at the same pixels do.
    """
    while True:
        mass = rng.random(n // 2) < PREVALENCE
        if 0 < mass.sum() < n // 2:
            break
    y = np.repeat(mass, 2)
    common = _noise(rng, n, correlation=correlation)
    alone = _noise(rng, n, models, correlation=correlation)
    mixed = alone if models == 1 else (common[:, None] + alone) / np.sqrt(2)
    return y, mixed + np.sqrt(2) * norm.ppf(theta) * y[:, None], patients_of(n)


def three_classes(rng: np.random.Generator, n: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and probabilities (n, 3); a strength of 0.95 and of 1.8 gives AUROCs of about 0.80 and 0.95."""
    y = np.repeat(rng.choice(3, n // 2, p=CLASS_SHARES), 2)
    return y, softmax(strength * np.eye(3)[y] + _noise(rng, n, 3), axis=1)
