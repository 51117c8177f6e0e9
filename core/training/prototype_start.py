"""Prototypes at the start: centres of the latent cells of their class, instead of random points."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from core.data.roi_set import RoiSet
from core.domain.errors import TrainingError
from core.domain.events import IsCancelled, never
from core.domain.messages import message
from core.model.network import PrototypeNetwork
from core.training.fixed_draws import stored_masks
from core.training.forgotten_patches import Cells
from core.training.inference import exact, stream
from core.training.losses import without_corners

_MOST_CELLS = 20_000
"""Cells of a class that k-means looks at; more are drawn from at random."""
_ROUNDS = 25


def start_from_kmeans(
    network: PrototypeNetwork,
    training: RoiSet,
    *,
    seed: int,
    inside_masks: bool = True,
    forbidden: Cells | None = None,
    features: torch.Tensor | None = None,
    cancelled: IsCancelled = never,
) -> None:
    """Set every prototype to a k-means centre of the add-on's latent cells inside the masks of its class.

    Un-augmented training ROIs only; the fine mask (its part in the lesion) where there is one, else the
    lesion's. With ``inside_masks`` False (models without masks) all cells. Cells (n, H, W) that are
    ``forbidden`` are left out. TrainingError where a class has no lesion.
    """
    cells = _cells_by_class(
        network, training, inside_masks=inside_masks, forbidden=forbidden, features=features, cancelled=cancelled
    )
    own = network.prototype_class.cpu().numpy()
    centres = np.zeros((len(own), network.prototypes.shape[1]), np.float32)
    for c, name in enumerate(training.class_names):
        mine = np.flatnonzero(own == c)
        if len(mine) == 0:
            continue
        if len(cells[c]) == 0:
            raise TrainingError(
                message("No lesion of the training part has the class {name}: it cannot be trained.", name=name)
            )
        centres[mine] = _centres(cells[c], len(mine), seed + c)
    with exact(network):
        network.prototypes.copy_(torch.from_numpy(centres).reshape(network.prototypes.shape))


def _cells_by_class(
    network: PrototypeNetwork,
    training: RoiSet,
    *,
    inside_masks: bool,
    forbidden: Cells | None,
    features: torch.Tensor | None,
    cancelled: IsCancelled,
) -> list[NDArray[np.float32]]:
    """Return the latent cells (count, C) of each class."""
    found: list[list[NDArray[np.float32]]] = [[] for _ in training.class_names]
    for rows, activations in stream(network, training, features=features, cancelled=cancelled):
        marked, lesion = training.central(stored_masks(training, rows)).swapaxes(0, 1)
        outlined = lesion.any(axis=(1, 2), keepdims=True)
        masks = np.where(outlined, marked & lesion, marked)
        latent = activations.latent.permute(0, 2, 3, 1).cpu().numpy()
        inner = without_corners(torch.from_numpy(np.ascontiguousarray(masks)))
        share = torch.nn.functional.adaptive_avg_pool2d(inner.float().unsqueeze(1), network.grid).numpy()[:, 0]
        for i, row in enumerate(rows):
            if training.label[row] < 0:
                continue
            inside = share[i] > 0.5 * share[i].max() if inside_masks and share[i].max() > 0 else share[i] >= 0
            if forbidden is not None:
                inside = inside & ~forbidden[row]
            found[training.label[row]].append(latent[i][inside])
    return [np.concatenate(parts) if parts else np.zeros((0, 0), np.float32) for parts in found]


def _centres(cells: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    if len(cells) > _MOST_CELLS:
        cells = cells[np.sort(random.permutation(len(cells))[:_MOST_CELLS])]
    distinct = np.unique(cells, axis=0)
    if len(distinct) <= count:
        return distinct[np.arange(count) % len(distinct)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a centre that no cell chose stays where it began
        centres, _ = kmeans2(cells.astype(np.float64), count, iter=_ROUNDS, minit="++", seed=random)
    clipped: NDArray[np.float32] = np.clip(centres, 0, 1).astype(np.float32)
    return clipped
