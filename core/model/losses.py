"""The losses of stage A1 beside cross-entropy: cluster, separation (eq. 7) and fine annotation (eq. 8).

Polarity is the paper's: ``irrelevant`` is 1 where a pixel is irrelevant, 0 where it is marked; soft values
enter squared. ``core.imaging.raster.irrelevant`` is the one place that converts.

Upsampling is linear, so ``||m . Up(s)||^2 = s^T K s`` exactly. With the 1-D hat functions h (H x I) of bilinear
interpolation and P = [h_a^2 ; h_a h_(a+1)], all of K is the small matrix P m^2 P^T (27 x 27 for 14 cells): no
upsampled map exists in the loss.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from core.model.precision import exact_float32, wide

FineNorm = Literal["prototype", "block"]

REFERENCE_SIZE = 224
"""Side of the grid on which the norms of eq. 8 are expressed, whatever the input's size."""
_INSIDE_ROOT = 1e-12
_MASKS_AT_ONCE = 8


def _own_class(prototype_class: Tensor, label: Tensor) -> Tensor:
    """Return (B, m) bool: whether prototype j is of image i's class."""
    return prototype_class[None, :] == label[:, None]


def _smallest_mean(distances: Tensor, k: int) -> Tensor:
    """Return g_ij of eq. 7: (B, m) mean of the k smallest distances of (B, m, H, W)."""
    return distances.flatten(2).topk(k, dim=2, largest=False).values.mean(2)


def cluster_and_separation(
    distances: Tensor, prototype_class: Tensor, label: Tensor, k: int
) -> tuple[Tensor, Tensor]:
    """Return both costs of eq. 7, from one selection of the k smallest distances; see the two functions below."""
    own = _own_class(prototype_class, label)
    g = _smallest_mean(distances, k)
    cluster = g.masked_fill(~own, torch.inf).amin(1).mean()
    separation = -g.masked_fill(own, torch.inf).amin(1).mean()
    return cluster, separation


def cluster_cost(distances: Tensor, prototype_class: Tensor, label: Tensor, k: int) -> Tensor:
    """Return ``mean_i min_{j of the class} g_ij`` (eq. 7): scalar; distances (B, m, H, W), label (B,), classes
    (m,)."""
    return cluster_and_separation(distances, prototype_class, label, k)[0]


def separation_cost(distances: Tensor, prototype_class: Tensor, label: Tensor, k: int) -> Tensor:
    """Return ``- mean_i min_{j of another class} g_ij`` (eq. 7); grows towards 0 as other classes come near."""
    return cluster_and_separation(distances, prototype_class, label, k)[1]


@lru_cache(maxsize=64)
@torch.inference_mode(False)
@torch.no_grad()
def _hats(cells: int, size: int, device: torch.device) -> Tensor:
    """Return P: (2 cells - 1, size), the squares of the hats and the products of neighbours."""
    unit = torch.eye(cells, dtype=torch.float64)[None]
    hat = functional.interpolate(unit, size=size, mode="linear", align_corners=False)[0]
    return torch.cat([hat.square(), hat[:-1] * hat[1:]]).float().to(device)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
@torch.no_grad()
def _gram(cells: int, size: int, device: torch.device) -> Tensor:
    """Return h h^T: (cells, cells); for a mask of ones K is the product of two of these, one a direction."""
    sums = _hats(cells, size, device).sum(1)
    squares, neighbours = sums[:cells], sums[cells:]
    return torch.diag(squares) + torch.diag(neighbours, 1) + torch.diag(neighbours, -1)


def _mask_products(irrelevant: Tensor, like: Tensor) -> Tensor:
    """Return P m^2 P^T: (B, 2H - 1, 2W - 1) from masks (B, I, J), in the type of the maps ``like`` (B, m, H,
    W)."""
    rows = _hats(like.shape[2], irrelevant.shape[-2], irrelevant.device).to(like.dtype)
    columns = _hats(like.shape[3], irrelevant.shape[-1], irrelevant.device).to(like.dtype)
    # a few masks at a time stay in the processor's cache
    at_once = _MASKS_AT_ONCE if _may_wait(irrelevant.device) else len(irrelevant)
    parts = [rows @ part.to(like.dtype).square() @ columns.t() for part in irrelevant.split(at_once)]
    return torch.cat(parts)


def _apply_masked(products: Tensor, maps: Tensor) -> Tensor:
    """Return K_m s: (n, H, W) from P m^2 P^T (n, 2H - 1, 2W - 1) and maps (n, H, W).

    A cell meets itself and its eight neighbours: those in its row, in its column, and on both diagonals.
    """
    height, width = maps.shape[1:]
    here, across = products[:, :height, :width], products[:, :height, width:]
    down, diagonal = products[:, height:, :width], products[:, height:, width:]
    out = here * maps
    out[..., :-1].addcmul_(across, maps[..., 1:])
    out[..., 1:].addcmul_(across, maps[..., :-1])
    out[:, :-1].addcmul_(down, maps[:, 1:])
    out[:, 1:].addcmul_(down, maps[:, :-1])
    out[:, :-1, :-1].addcmul_(diagonal, maps[:, 1:, 1:])
    out[:, 1:, 1:].addcmul_(diagonal, maps[:, :-1, :-1])
    out[:, :-1, 1:].addcmul_(diagonal, maps[:, 1:, :-1])
    out[:, 1:, :-1].addcmul_(diagonal, maps[:, :-1, 1:])
    return out


def _may_wait(device: torch.device) -> bool:
    """Return True if asking a tensor for its values costs nothing."""
    return device.type == "cpu"


def _masked_where(own: Tensor, products: Tensor, maps: Tensor, form: Tensor) -> Tensor:
    """Return K_m s of every map, K s elsewhere than at ``own``: three times the work, and no number of maps
    that the processor would have to wait for the device to learn."""
    count = maps.shape[1]
    masked = _apply_masked(products.repeat_interleave(count, 0), maps.flatten(0, 1)).view_as(maps)
    return torch.where(own[:, :, None, None], masked, form)


class _SquaredNorms(torch.autograd.Function):
    """(B, m): s^T K s with K = K_m for prototypes of the image's class and the full K for others."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, irrelevant: Tensor, own: Tensor) -> Tensor:
        height, width = maps.shape[2:]
        device = maps.device
        down, across = (
            _gram(cells, size, device).to(maps.dtype)
            for cells, size in zip((height, width), irrelevant.shape[1:], strict=True)
        )
        form = down @ maps @ across
        products = _mask_products(irrelevant, maps)
        if _may_wait(device):
            image, prototype = own.nonzero(as_tuple=True)
            form[image, prototype] = _apply_masked(products[image], maps[image, prototype])
        else:
            form = _masked_where(own, products, maps, form)
        ctx.save_for_backward(form)
        return (form * maps).sum((2, 3))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (form,) = ctx.saved_tensors
        return form * (2 * gradient)[:, :, None, None], None, None


def fine_cost(
    similarities: Tensor,
    irrelevant: Tensor,
    *,
    has_mask: Tensor,
    prototype_class: Tensor,
    label: Tensor,
    norm: FineNorm = "prototype",
) -> Tensor:
    """Return fine-annotation cost (eq. 8) of a batch: the sum over its masked images over the batch's size;
    scalar.

    similarities (B, m, H, W) before upsampling; irrelevant (B, I, I), 1 = irrelevant; has_mask (B,) bool;
    prototype_class (m,); label (B,). ``norm="prototype"`` takes one norm per prototype (the paper),
    ``"block"`` one over all prototypes of lower classes, of the own and of higher classes (the authors' code).
    Gradients reach the similarities only; the masks are data.
    """
    own = _own_class(prototype_class, label)
    with exact_float32():
        squared: Tensor = _SquaredNorms.apply(wide(similarities), irrelevant, own)
        squared = squared * (REFERENCE_SIZE**2 / (irrelevant.shape[1] * irrelevant.shape[2]))
        if norm == "block":
            side = torch.sign(prototype_class[None, :] - label[:, None])
            blocks = torch.stack([(side == which).to(squared.dtype) for which in (-1, 0, 1)], dim=2)
            present = blocks.sum(1) > 0
            squared = (squared[:, :, None] * blocks).sum(1)
            each = torch.where(present, (squared + _INSIDE_ROOT).sqrt(), torch.zeros_like(squared))
        else:
            each = (squared + _INSIDE_ROOT).sqrt()
        return (each.sum(1) * has_mask).sum() / similarities.shape[0]
