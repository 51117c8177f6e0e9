"""The losses of stage A1 beside cross-entropy: cluster, separation (eq. 7) and fine annotation (eq. 8).

Polarity is the paper's: ``irrelevant`` is 1 where a pixel is irrelevant, 0 where it is marked; soft values
enter squared. ``core.imaging.raster.irrelevant`` is the one place that converts.

Upsampling is linear, so ``||m . Up(s)||^2 = s^T K s`` exactly. With the 1-D hat functions h (H x I) of bilinear
interpolation and P = [h_a^2 ; h_a h_(a+1)], all of K is the small matrix P m^2 P^T (27 x 27 for 14 cells): no
upsampled map exists in the loss.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from core.model.precision import exact_float32

FineNorm = Literal["prototype", "block"]

REFERENCE_SIZE = 224
"""Side of the grid on which the norms of eq. 8 are expressed, whatever the input's size."""
_INSIDE_ROOT = 1e-12


def _own_class(prototype_class: Tensor, label: Tensor) -> Tensor:
    """(B, m) bool: whether prototype j is of image i's class."""
    return prototype_class[None, :] == label[:, None]


def _smallest_mean(distances: Tensor, k: int) -> Tensor:
    """g_ij of eq. 7: (B, m) mean of the k smallest distances of (B, m, H, W)."""
    return distances.flatten(2).topk(k, dim=2, largest=False).values.mean(2)


def cluster_cost(distances: Tensor, prototype_class: Tensor, label: Tensor, k: int) -> Tensor:
    """``mean_i min_{j of the class} g_ij`` (eq. 7): scalar; distances (B, m, H, W), label (B,), classes (m,)."""
    own = _own_class(prototype_class, label)
    return _smallest_mean(distances, k).masked_fill(~own, torch.inf).amin(1).mean()


def separation_cost(distances: Tensor, prototype_class: Tensor, label: Tensor, k: int) -> Tensor:
    """``- mean_i min_{j of another class} g_ij`` (eq. 7); grows towards 0 as other classes come near."""
    own = _own_class(prototype_class, label)
    return -_smallest_mean(distances, k).masked_fill(own, torch.inf).amin(1).mean()


@lru_cache(maxsize=64)
@torch.inference_mode(False)
@torch.no_grad()
def _hat_products(cells: int, size: int, device: torch.device) -> Tensor:
    """P: (2 cells - 1, size), the squares of the hats and the products of neighbours."""
    unit = torch.eye(cells, dtype=torch.float64)[None]
    hat = functional.interpolate(unit, size=size, mode="linear", align_corners=False)[0]
    return torch.cat([hat.square(), hat[:-1] * hat[1:]]).float().to(device)


def _form_of_mask(irrelevant: Tensor, grid: tuple[int, int]) -> Tensor:
    """P m^2 P^T in the order of ``_form_of_map``: (B, T) from (B, I, J)."""
    rows = _hat_products(grid[0], irrelevant.shape[-2], irrelevant.device)
    columns = _hat_products(grid[1], irrelevant.shape[-1], irrelevant.device)
    return (rows @ irrelevant.float().square() @ columns.t()).flatten(1)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
@torch.no_grad()
def _form_of_ones(grid: tuple[int, int], size: tuple[int, int], device: torch.device) -> Tensor:
    """The constant form of a mask of ones: (T,)."""
    rows = _hat_products(grid[0], size[0], device).sum(1)
    columns = _hat_products(grid[1], size[1], device).sum(1)
    return torch.outer(rows, columns).flatten()


def _form_of_map(maps: Tensor) -> Tensor:
    """Products of neighbouring cells, laid out as P m^2 P^T: (B, m, T), T = (2H - 1)(2W - 1).

    With neighbours in a row and in a column counted twice, and each block of four cells by both diagonals.
    """
    lower, right = maps[:, :, 1:], maps[..., 1:]
    squares = maps.square()
    in_row = 2 * maps[..., :-1] * right
    in_column = 2 * maps[:, :, :-1] * lower
    blocks = 2 * (maps[:, :, :-1, :-1] * lower[..., 1:] + maps[:, :, :-1, 1:] * lower[..., :-1])
    top = torch.cat([squares, in_row], dim=3)
    bottom = torch.cat([in_column, blocks], dim=3)
    return torch.cat([top, bottom], dim=2).flatten(2)


def _squared_norms(similarities: Tensor, irrelevant: Tensor, own: Tensor) -> Tensor:
    """(B, m): ``||m_i . PAM_ij||^2`` for own prototypes, ``||PAM_ij||^2`` for others, on the 224 grid."""
    grid = (similarities.shape[2], similarities.shape[3])
    height, width = irrelevant.shape[-2:]
    products = _form_of_map(similarities)
    masked = torch.bmm(products, _form_of_mask(irrelevant, grid)[:, :, None])[:, :, 0]
    whole = products @ _form_of_ones(grid, (height, width), irrelevant.device)
    return torch.where(own, masked, whole) * (REFERENCE_SIZE**2 / (height * width))


def fine_cost(
    similarities: Tensor,
    irrelevant: Tensor,
    *,
    has_mask: Tensor,
    prototype_class: Tensor,
    label: Tensor,
    norm: FineNorm = "prototype",
) -> Tensor:
    """Fine-annotation cost (eq. 8) of a batch: the sum over its masked images over the batch's size; scalar.

    similarities (B, m, H, W) before upsampling; irrelevant (B, I, I), 1 = irrelevant; has_mask (B,) bool;
    prototype_class (m,); label (B,). ``norm="prototype"`` takes one norm per prototype (the paper),
    ``"block"`` one over all prototypes of lower classes, of the own and of higher classes (the authors' code).
    Gradients reach the similarities only; the masks are data.
    """
    own = _own_class(prototype_class, label)
    with exact_float32():
        squared = _squared_norms(similarities.float(), irrelevant.detach(), own)
        if norm == "block":
            side = torch.sign(prototype_class[None, :] - label[:, None])
            blocks = torch.stack([(side == which).to(squared.dtype) for which in (-1, 0, 1)], dim=2)
            present = blocks.sum(1) > 0
            squared = (squared[:, :, None] * blocks).sum(1)
            each = torch.where(present, (squared + _INSIDE_ROOT).sqrt(), torch.zeros_like(squared))
        else:
            each = (squared + _INSIDE_ROOT).sqrt()
        return (each.sum(1) * has_mask).sum() / similarities.shape[0]
