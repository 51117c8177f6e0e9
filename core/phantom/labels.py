"""The true labels of a synthetic finding and those of its reader; drawn before any pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.vocabulary import BiradsCategory, Laterality, MarginType, MassDensity, MassShape, Pathology
from core.phantom.config import CLASSES, PhantomConfig
from core.phantom.noise import stream

_BLOCK = 12
"""Patients in a block whose classes follow the balance as nearly as a dozen can."""


@dataclass(frozen=True, kw_only=True)
class PhantomCase:
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


def _block_of(config: PhantomConfig, block: int) -> NDArray[np.int64]:
    """(_BLOCK,) class of each patient of a block: dealt out by the balance, in a seeded order."""
    rng = stream(config.seed, 11, block)
    u = (rng.permutation(_BLOCK) + rng.random(_BLOCK)) / _BLOCK
    weights = np.cumsum(config.class_balance) / sum(config.class_balance)
    return np.minimum(np.searchsorted(weights, u, side="right"), len(CLASSES) - 1)


def margin_of(config: PhantomConfig, index: int) -> MarginType:
    """Stratified by block, so that small studies too have the configured balance."""
    block, place = divmod(index, _BLOCK)
    return CLASSES[int(_block_of(config, block)[place])]


def _spread(config: PhantomConfig, index: int, purpose: int) -> float:
    """A uniform draw in [0, 1), spread evenly over the patients of one class in one block.

    Each class of a block covers the whole range, so that size and contrast cannot go with the class by chance.
    """
    block, place = divmod(index, _BLOCK)
    classes = _block_of(config, block)
    alike = np.flatnonzero(classes == classes[place])
    rng = stream(config.seed, 16, purpose, block, int(classes[place]))
    order, within = rng.permutation(alike.size), rng.random(alike.size)
    rank = int(np.searchsorted(alike, place))
    return float((order[rank] + within[rank]) / alike.size)


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
    """Return the reader's probability: from the margin, with some information about the truth, and with errors."""
    logit = np.log(prior / (1 - prior)) + (1.4 if malignant else -1.4) + rng.normal(0, noise)
    return float(np.round(np.clip(1 / (1 + np.exp(-logit)), 0.01, 0.99), 2))


def draw_case(config: PhantomConfig, index: int) -> PhantomCase:
    """Everything about a patient's finding that both views share."""
    rng = stream(config.seed, 12, index)
    margin = margin_of(config, index)
    prior = config.malignant_probability[CLASSES.index(margin)]
    malignant = bool(rng.random() < prior)
    probability = _reader(rng, float(np.clip(prior, 0.02, 0.98)), malignant, config.reader_noise)
    low, high = config.contrast
    spread = _spread(config, index, 1)
    smallest, largest = config.diameter_mm
    pathology = Pathology.MALIGNANT if malignant else Pathology.BENIGN
    return PhantomCase(
        laterality=(Laterality.LEFT, Laterality.RIGHT)[int(rng.integers(2))],
        margin=margin,
        shape=tuple(MassShape)[int(rng.integers(3))],
        density=(MassDensity.LOW, MassDensity.EQUAL, MassDensity.HIGH)[int(3 * spread)],
        pathology=None if rng.random() < config.biopsy_missing else pathology,
        probability=probability,
        category=category_of(probability),
        diameter_mm=smallest + (largest - smallest) * _spread(config, index, 2),
        contrast=low + (high - low) * spread,
        sign_share=float(rng.uniform(*config.difficulty.sign_share)),
    )
