"""Augmentation of one image after another: flip, turn, crop and resize in turn, each its own resampling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from core.data.augment import AugmentParameters
from core.data.roi_set import InputTransform


def apply(
    parameters: AugmentParameters, pixels: NDArray[np.uint8], masks: NDArray[np.uint8], transform: InputTransform
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """As ``core.data.augment.apply``: (B, 1, I, I) in [0, 1] and (B, k, I, I)."""
    grey = [_one(parameters, i, pixels[i], transform, order=1) for i in range(len(pixels))]
    cut = [[_one(parameters, i, mask, transform, order=0) for mask in masks[i]] for i in range(len(masks))]
    return np.stack(grey)[:, None].astype(np.float32) / 255, np.array(cut).astype(np.uint8)


def _one(
    parameters: AugmentParameters, i: int, plane: NDArray[np.uint8], transform: InputTransform, order: int
) -> NDArray[np.float64]:
    size, stored = transform.input_size, transform.stored_size
    angle, crop = np.deg2rad(parameters.angle_deg[i]), parameters.crop[i]
    shift_x, shift_y = parameters.shift_x[i] * size, parameters.shift_y[i] * size
    flip_x, flip_y = (-1 if f else 1 for f in (parameters.flip_x[i], parameters.flip_y[i]))
    # rows and columns of the crop, from its middle, to rows and columns of the stored square
    rotate = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    matrix = rotate * crop @ np.diag([flip_y, flip_x])
    middle = (stored - 1) / 2 + np.array([shift_y, shift_x])
    offset = middle - matrix @ np.full(2, (size - 1) / 2)
    return ndimage.affine_transform(
        plane.astype(np.float64), matrix, offset, (size, size), order=order, mode="mirror"
    )
