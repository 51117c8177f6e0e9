"""``core.data.augment`` on the device: one batched affine grid for the ROIs and their masks together.

The parameters are drawn by the same generators as on the processor, so that either path trains on the same crops:
grey values differ by OpenCV's rounding to whole levels and to 1/32 pixel, masks where a sample falls between two
pixels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.data.augment import AugmentParameters
from core.data.roi_set import InputTransform


def sampling(parameters: AugmentParameters, transform: InputTransform) -> NDArray[np.float32]:
    """Return (n, 2, 3): the crops as ``affine_grid`` takes them, in [-1, 1] between the centres of the outer
    pixels."""
    matrices = parameters.matrices(transform)
    inner, outer = (transform.input_size - 1) / 2, (transform.stored_size - 1) / 2
    theta = matrices.copy()
    theta[:, :, :2] *= inner / outer
    # the middle of the input, and where it falls, as continuous coordinates and then as indices of pixels
    middle = transform.input_size / 2
    target = matrices[:, :, :2].sum(axis=2) * middle + matrices[:, :, 2]
    theta[:, :, 2] = (target - 0.5 - outer) / outer
    return theta.astype(np.float32)


def cut_masks(masks: Tensor, theta: Tensor, size: int) -> Tensor:
    """Return (B, k, I, I) uint8 of masks (B, k, S, S) uint8, nearest neighbour."""
    return _sampled(masks, _grid(theta, size), mode="nearest").to(torch.uint8)


def cut(pixels: Tensor, masks: Tensor, theta: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return grey values (B, I, I) float32 in [0, 1] and masks (B, k, I, I) uint8, 1 = relevant, cut with one
    grid.

    ``pixels`` (B, S, S) uint8, bilinear; ``masks`` (B, k, S, S) uint8, nearest neighbour; beyond the stored
    square both are reflected.
    """
    grid = _grid(theta, size)
    grey = _sampled(pixels[:, None], grid, mode="bilinear")[:, 0] * (1 / 255)
    return grey, _sampled(masks, grid, mode="nearest").to(torch.uint8)


def lost(masks: Tensor, theta: Tensor, size: int) -> Tensor:
    """Return (B,) bool: crops in which a mask that has relevant pixels shows none. Stays on the device."""
    # torch's any of bytes is bytes again, whose complement is never 0
    had = masks.flatten(2).any(2).bool()
    shown = cut_masks(masks, theta, size).flatten(2).any(2).bool()
    return (had & ~shown).any(1)


def _grid(theta: Tensor, size: int) -> Tensor:
    return functional.affine_grid(theta, [len(theta), 1, size, size], align_corners=True)


def _sampled(planes: Tensor, grid: Tensor, *, mode: str) -> Tensor:
    return functional.grid_sample(
        planes.to(torch.float32), grid, mode=mode, padding_mode="reflection", align_corners=True
    )
