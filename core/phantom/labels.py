"""What is true of a synthetic finding, and what its reader says; drawn before any pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.domain.vocabulary import BiradsCategory, Laterality, MarginType, MassDensity, MassShape, Pathology
from core.phantom.config import CLASSES, PhantomConfig
from core.phantom.noise import stream

_BLOCK = 12
"""Patients in a block whose classes follow the balance as nearly as a dozen can."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One patient's mass. Margin apart from everything but pathology and the reader's estimate."""

    laterality: Laterality
    margin: MarginType
    shape: MassShape
    density: MassDensity
    pathology: Pathology | None
    probability: float
    """The reader's estimate of malignancy, in [0, 1]."""
    category: BiradsCategory
    diameter_mm: float
    contrast: float
    sign_share: float


def margin_of(config: PhantomConfig, index: int) -> MarginType:
    """Stratified: within each block of patients the classes are dealt out in a seeded order."""
    block, place = divmod(index, _BLOCK)
    rng = stream(config.seed, 11, block)
    u = (rng.permutation(_BLOCK)[place] + rng.random(_BLOCK)[place]) / _BLOCK
    weights = np.cumsum(config.class_balance) / sum(config.class_balance)
    return CLASSES[min(int(np.searchsorted(weights, u, side="right")), len(CLASSES) - 1)]


def category_of(probability: float) -> BiradsCategory:
    """The BI-RADS category whose range of likelihood holds the estimate (BI-RADS, 5th edition)."""
    limits = (
        (0.02, BiradsCategory.PROBABLY_BENIGN),
        (0.10, BiradsCategory.LOW_SUSPICION),
        (0.50, BiradsCategory.MODERATE_SUSPICION),
        (0.95, BiradsCategory.HIGH_SUSPICION),
    )
    return next((c for limit, c in limits if probability <= limit), BiradsCategory.HIGHLY_SUGGESTIVE)


def _reader(rng: np.random.Generator, prior: float, malignant: bool, noise: float) -> float:
    """The reader knows what the margin says, sees something of the truth, and errs."""
    logit = np.log(prior / (1 - prior)) + (1.4 if malignant else -1.4) + rng.normal(0, noise)
    return float(np.round(np.clip(1 / (1 + np.exp(-logit)), 0.01, 0.99), 2))


def draw_case(config: PhantomConfig, index: int) -> Case:
    """Everything about a patient's finding that both views share."""
    rng = stream(config.seed, 12, index)
    margin = margin_of(config, index)
    prior = config.malignant_probability[CLASSES.index(margin)]
    malignant = bool(rng.random() < prior)
    probability = _reader(rng, float(np.clip(prior, 0.02, 0.98)), malignant, config.reader_noise)
    low, high = config.contrast
    contrast = rng.uniform(low, high)
    third = int(3 * (contrast - low) / (high - low)) if high > low else 1
    pathology = Pathology.MALIGNANT if malignant else Pathology.BENIGN
    return Case(
        laterality=(Laterality.LEFT, Laterality.RIGHT)[int(rng.integers(2))],
        margin=margin,
        shape=tuple(MassShape)[int(rng.integers(3))],
        density=(MassDensity.LOW, MassDensity.EQUAL, MassDensity.HIGH)[min(third, 2)],
        pathology=None if rng.random() < config.biopsy_missing else pathology,
        probability=probability,
        category=category_of(probability),
        diameter_mm=float(rng.uniform(*config.diameter_mm)),
        contrast=float(contrast),
        sign_share=float(rng.uniform(*config.difficulty.sign_share)),
    )
