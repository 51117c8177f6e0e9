"""From distances to similarities, scores and activation maps (eq. 5 and the map of method.md, Forward 6)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from core.domain.errors import ModelError
from core.domain.messages import message


def similarity(distance: Tensor, epsilon: float = 1e-4) -> Tensor:
    """Return ``log((d + 1) / (d + eps))``, falling in d, in (0, log(1/eps)]; shape of ``distance``.

    Written as log1p((1 - eps)/(d + eps)), which keeps its relative precision for large d.
    """
    return torch.log1p((1.0 - epsilon) / (distance + epsilon))


def largest_similarity(epsilon: float = 1e-4) -> float:
    """Return similarity at distance 0: log(1/eps), 9.2103 for 1e-4."""
    return math.log(1.0 / epsilon)


def resolve_top_k(top_k: float, cells: int) -> int:
    """Return number of cells: ``top_k`` itself where at least 1, else max(1, floor(share x cells)).

    ModelError where it is no whole number of cells or more than there are.
    """
    if top_k < 1:
        return max(1, math.floor(top_k * cells))
    if top_k != int(top_k) or top_k > cells:
        raise ModelError(
            message(
                "top_k = {top_k:g} does not fit a latent grid of {cells} cells: give a whole number of cells up "
                "to {cells}, or a share below 1.",
                top_k=top_k,
                cells=cells,
            )
        )
    return int(top_k)


def pool_top_k(similarities: Tensor, k: int) -> Tensor:
    """Return mean of the k largest cells (eq. 5): (B, m) from (B, m, H, W). k = 1 is the maximum, k = H W the
    mean."""
    return similarities.flatten(2).topk(k, dim=2).values.mean(2)


def upsample(maps: Tensor, size: int | tuple[int, int]) -> Tensor:
    """Return prototype activation maps (B, m, h, w) -> (B, m, size, size), bilinear, align_corners=False,
    everywhere."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)
