"""Describes lesions by the features of a model's trunk, so that alike lesions lie near each other."""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray

from core.domain.events import IsCancelled, never
from core.tasks.review.model_in_study import ModelInStudy
from core.training.fixed_draws import features_of

Floats = NDArray[np.float64]
COMPONENTS = 20
"""Chosen on CBIS-DDSM with seeds of ``tests.benchmarks.bench_useful`` that it does not report."""


def lesion_features(opened: ModelInStudy, cancelled: IsCancelled = never) -> dict[str, Floats]:
    """By lesion id (COMPONENTS,): the trunk's output in the outline, reduced over the study.

    One pass over the ROIs. Raises: Cancelled between batches.
    """
    network = copy.deepcopy(opened.model.network)
    maps = features_of(network, opened.rois, cancelled=cancelled).numpy()
    found = reduced(mean_inside(maps, opened.rois.central(opened.rois.lesion)))
    return dict(zip(opened.rois.lesion_ids, found, strict=True))


def mean_inside(maps: NDArray[np.float32], lesion: NDArray[np.uint8]) -> Floats:
    """(n, C) mean of maps (n, C, h, w) over the cells of which the lesion (n, I, I) covers at least half, or over
    the most covered ones; over all cells of a lesion without a mask."""
    n, channels, height, width = maps.shape
    side = lesion.shape[-1] // height
    cut = lesion[:, : side * height, : side * width].astype(np.float32)
    covered = cut.reshape(n, height, side, width, side).mean((2, 4)).reshape(n, -1)
    limit = np.minimum(0.5, covered.max(axis=1, keepdims=True))
    inside = (covered >= limit).astype(np.float64)
    total: Floats = np.einsum("nck,nk->nc", maps.reshape(n, channels, -1).astype(np.float64), inside)
    mean: Floats = total / inside.sum(axis=1, keepdims=True)
    return mean


def reduced(values: Floats, components: int = COMPONENTS) -> Floats:
    """(n, at most ``components``) principal components of the standardised columns of ``values`` (n, C)."""
    standard = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-9)
    u, s, _ = np.linalg.svd(standard, full_matrices=False)
    found: Floats = u[:, :components] * s[:components]
    return found
