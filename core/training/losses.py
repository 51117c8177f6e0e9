"""The objectives of the gradient stages, each a dictionary of named parts whose sum is minimised."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from core.model.losses import cluster_and_separation, fine_cost
from core.model.network import Activations, PrototypeNetwork
from core.model.precision import wide
from core.training.batches import TrainingBatch
from core.training.config import LossWeights

Parts = dict[str, torch.Tensor]
CLASS_SHARE = 0.5
"""A latent cell belongs to the class where its marked share is more than this of the best covered cell's, and at
least this much of it lies in the lesion's outline, where there is one. It is background where nothing of it is
marked or in the lesion. Cells between, marks beyond the outline included, are ignored."""


def joint_loss(network: PrototypeNetwork, found: Activations, batch: TrainingBatch, weights: LossWeights) -> Parts:
    """Return the weighted parts of eq. 6, ``CrsEnt + 0.8 Clst + 0.08 Sep + lambda_f Fine``, means over the
    batch."""
    own, k = network.prototype_class, network.top_k
    cluster, separation = cluster_and_separation(found.distances, own, batch.label, k)
    parts = {
        "cross_entropy": weights.cross_entropy * functional.cross_entropy(found.logits, batch.label),
        "cluster": weights.cluster * cluster,
        "separation": weights.separation * separation,
    }
    if weights.fine > 0:
        parts["fine"] = weights.fine * fine_cost(
            found.similarities,
            batch.irrelevant,
            has_mask=batch.has_mask,
            prototype_class=own,
            label=batch.label,
            norm=weights.fine_norm,
        )
    return parts


BOX_SHARE = 0.97
"""A mask that covers this share of its bounding box is taken for a box drawn around the lesion."""


def without_corners(mask: torch.Tensor) -> torch.Tensor:
    """Return (B, I, I) masks in which a box keeps its inscribed ellipse only; any other shape stays as it is.

    An outline that is a box holds a quarter of tissue beside the mass, in its corners.
    """
    on = mask > 0
    rows, columns = on.any(2), on.any(1)
    (y0, y1), (x0, x1) = _ends(rows), _ends(columns)
    area = (y1 - y0) * (x1 - x0)
    box = on.sum((1, 2)) >= BOX_SHARE * area
    at = torch.arange(mask.shape[1], device=mask.device) + 0.5
    y = (at - (y0 + y1).view(-1, 1) / 2) / ((y1 - y0).clamp_min(1).view(-1, 1) / 2)
    x = (at - (x0 + x1).view(-1, 1) / 2) / ((x1 - x0).clamp_min(1).view(-1, 1) / 2)
    ellipse = y.square()[:, :, None] + x.square()[:, None, :] <= 1
    kept = on & (ellipse | ~box.view(-1, 1, 1))
    return kept.to(mask.dtype)


def _ends(marked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return first and one past the last marked place of (B, I); both 0 where none is."""
    count = marked.shape[1]
    first = marked.int().argmax(1)
    last = count - marked.flip(1).int().argmax(1)
    there = marked.any(1)
    return first * there, last * there


def cell_targets(batch: TrainingBatch, grid: tuple[int, int], classes: int) -> torch.Tensor:
    """Return (B, H, W) target of each latent cell: its margin class, ``classes`` for background, -1 to be
    ignored."""
    mask = functional.adaptive_avg_pool2d(without_corners(batch.mask).float().unsqueeze(1), grid).squeeze(1)
    lesion = functional.adaptive_avg_pool2d(batch.lesion.float().unsqueeze(1), grid).squeeze(1)
    # thin marks cover a small part of any cell: the threshold is relative to the best covered one
    covered = mask > CLASS_SHARE * mask.amax((1, 2), keepdim=True)
    target = torch.full_like(mask, -1, dtype=torch.int64)
    target[torch.maximum(mask, lesion) == 0] = classes
    inside = (lesion >= CLASS_SHARE) | (lesion.amax((1, 2), keepdim=True) == 0)
    return torch.where(covered & inside & (mask > 0), batch.label.view(-1, 1, 1).expand_as(target), target)


def cell_loss(cells: torch.Tensor, batch: TrainingBatch) -> Parts:
    """Return the cell-level loss of the warm start: logits (B, K + 1, H, W); marked cells and background count
    one half each."""
    classes = cells.shape[1] - 1
    target = cell_targets(batch, (cells.shape[2], cells.shape[3]), classes)
    each = functional.cross_entropy(wide(cells), target.clamp_min(0), reduction="none")
    inside, outside = (target >= 0) & (target < classes), target == classes
    return {
        "cells": 0.5 * _mean_per_image(each, inside),
        "background": 0.5 * _mean_per_image(each, outside),
    }


def _mean_per_image(values: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Return mean over the images of each one's mean over its chosen cells; images without any count 0."""
    count = chosen.sum((1, 2))
    total = (values * chosen).sum((1, 2))
    return (total / count.clamp_min(1)).mean()


def image_loss(cells: torch.Tensor, batch: TrainingBatch) -> Parts:
    """Return the image-level loss of the warm start: cross-entropy of the head's logits after global average
    pooling."""
    return {"image": functional.cross_entropy(wide(cells).mean((2, 3)), batch.label)}


def warm_start_head(network: PrototypeNetwork, channels: int, *, cells: bool, seed: int) -> nn.Conv2d:
    """Return the temporary 1x1 head over the trunk: one output a class, and one for background at cell level."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Conv2d(channels, len(network.class_names) + int(cells), 1)
