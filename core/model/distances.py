"""Distances between prototypes and latent cells (eq. 4), as sums of squared differences in float32.

The expansion |z|^2 - 2zp + |p|^2 would be faster and loses the top of the scale: at a projected patch the true
distance is 0 and the similarity 9.21, the expansion gives 8.4 to 8.7. The gradient has a closed form that needs
no differences: d/dz = 2 (z sum_j g_j - sum_j g_j p_j) and d/dp_j = 2 (p_j sum g_j - sum g_j z), two products.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from core.model.precision import exact_float32, wide

Measure = Literal["squared", "l2"]

_CPU_BLOCK = 200_000
"""Differences held at once on the CPU: they stay in a core's second-level cache."""
_DEVICE_BLOCK = 1 << 26
"""Differences held at once on an accelerator (256 MiB)."""


def _differences_summed(cells: Tensor, prototypes: Tensor) -> Tensor:
    """Return (n, m, L) from cells (n, C, L) and prototypes (m, C); one block."""
    return (cells[:, None] - prototypes[None, :, :, None]).square_().sum(2)


def _squared(cells: Tensor, prototypes: Tensor) -> Tensor:
    """Return (B, m, L) in blocks, so that (B, m, C, L) never exists whole.

    On the CPU a block never spans images, so that an image's distances do not depend on its batch.
    """
    images, channels, length = cells.shape
    count = prototypes.shape[0]
    out = torch.empty(images, count, length, dtype=cells.dtype, device=cells.device)
    block = _CPU_BLOCK if cells.device.type == "cpu" else _DEVICE_BLOCK
    at_once = min(count, max(1, block // (channels * length)))
    rows = 1 if cells.device.type == "cpu" else max(1, block // (channels * length * at_once))
    for i in range(0, images, rows):
        for j in range(0, count, at_once):
            out[i : i + rows, j : j + at_once] = _differences_summed(
                cells[i : i + rows], prototypes[j : j + at_once]
            )
    return out


class _SquaredDistances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cells: Tensor, prototypes: Tensor) -> Tensor:
        ctx.save_for_backward(cells, prototypes)
        return _squared(cells, prototypes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        cells, prototypes = ctx.saved_tensors
        for_cells: Tensor | None = None
        for_prototypes: Tensor | None = None
        with exact_float32():
            if ctx.needs_input_grad[0]:
                for_cells = torch.matmul(-2 * prototypes.t(), gradient)
                for_cells.addcmul_(cells, gradient.sum(1, keepdim=True), value=2)
            if ctx.needs_input_grad[1]:
                mixed = torch.matmul(gradient, cells.transpose(1, 2)).sum(0)
                for_prototypes = 2 * (prototypes * gradient.sum((0, 2))[:, None] - mixed)
        return for_cells, for_prototypes


def squared_distances(latent: Tensor, prototypes: Tensor) -> Tensor:
    """Return ``||p_j - f(x)_l||^2`` (eq. 4): (B, m, H, W) float32 from latent (B, C, H, W) and prototypes (m,
    C, 1, 1).

    Exactly 0 where a cell equals a prototype bit for bit; within 1e-6 of the true value, relatively.
    """
    images, channels, height, width = latent.shape
    with exact_float32():
        cells = wide(latent).flatten(2).contiguous()
        rows = wide(prototypes).reshape(-1, channels)
        result: Tensor = _SquaredDistances.apply(cells, rows)
        return result.view(images, -1, height, width)


class _Root(torch.autograd.Function):
    """Square root whose gradient at 0 is 0 instead of infinite."""

    @staticmethod
    def forward(ctx: Any, squared: Tensor) -> Tensor:
        root = squared.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return torch.where(root > 0, gradient / (2 * root).clamp_min(1e-12), torch.zeros_like(root))


def distances(latent: Tensor, prototypes: Tensor, measure: Measure = "squared") -> Tensor:
    """Return (B, m, H, W): squared distances, or their root for the authors' unsquared measure (``l2``)."""
    squared = squared_distances(latent, prototypes)
    if measure == "squared":
        return squared
    root: Tensor = _Root.apply(squared)
    return root
