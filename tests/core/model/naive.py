"""The formulas as the paper writes them, slow and in float64, for comparison."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def squared_distances(latent: Tensor, prototypes: Tensor) -> Tensor:
    difference = latent.double()[:, None] - prototypes.double()[None]
    return difference.square().sum(2)


def fine_cost(
    similarities: Tensor, irrelevant: Tensor, has_mask: Tensor, prototype_class: Tensor, label: Tensor, norm: str
) -> Tensor:
    """Eq. 8 through upsampled maps, one image and prototype at a time."""
    size = irrelevant.shape[-1]
    total = similarities.new_zeros(())
    for i in range(len(label)):
        if not has_mask[i]:
            continue
        up = functional.interpolate(similarities[i : i + 1], size=size, mode="bilinear", align_corners=False)[0]
        masked = [
            m * irrelevant[i] if c == label[i] else m for m, c in zip(up, prototype_class.tolist(), strict=True)
        ]
        if norm == "prototype":
            blocks = [[m] for m in masked]
        else:
            sides = torch.sign(prototype_class - label[i]).tolist()
            blocks = [[m for m, s in zip(masked, sides, strict=True) if s == side] for side in (-1, 0, 1)]
        for block in blocks:
            if block:
                total = total + (torch.stack(block).square().sum() + 1e-12).sqrt() * (224 / size)
    return total / len(label)
