"""A SYNTHETIC tomosynthesis from a synthetic mammogram: one slice in focus, the others blurred by their distance.

Reconstructed slices show their own structures sharply and everything else as a blur that grows with the distance.
Here all structure is put into one slice, the focus. A slice ``d`` millimetres away shows it blurred by a Gaussian
whose width grows with ``d``, as the swing of the tube would. The margin of the mass is therefore visible only in
the slices about the focus, where its outline and its fine annotation are true.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.phantom.config import PhantomConfig
from core.phantom.noise import stream

SLICE_MM = 1.0
_BLUR_A_MM = 0.35
"""Millimetres of standard deviation across the slice for each millimetre of distance."""
_NOISE = 12.0
_WHITE = 4095


def focus_of(config: PhantomConfig, key: tuple[int, ...]) -> int:
    """The slice in focus, from 0, in the middle half of the stack."""
    quarter = config.slices // 4
    return int(stream(*key, 0).integers(quarter, config.slices - quarter))


def slices_of(pixels: NDArray[np.uint16], config: PhantomConfig, key: tuple[int, ...]) -> list[NDArray[Any]]:
    """``config.slices`` slices ``(rows, columns)`` of 12 bits; that of ``focus_of`` is ``pixels`` itself."""
    focus = focus_of(config, key)
    air = pixels == 0
    sharp = pixels.astype(np.float32)
    found: list[NDArray[Any]] = []
    for number in range(config.slices):
        if number == focus:
            found.append(pixels)
            continue
        sigma = _BLUR_A_MM * abs(number - focus) * SLICE_MM / config.spacing_mm
        blurred = _blurred(sharp, sigma)
        rng = stream(*key, 1, number)
        blurred += rng.standard_normal(blurred.shape, dtype=np.float32) * np.float32(_NOISE)
        grey = np.clip(np.rint(blurred), 0, _WHITE).astype(np.uint16)
        grey[air] = 0
        found.append(grey)
    return found


def _blurred(grey: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A Gaussian of ``sigma`` pixels; wide ones on a coarser grid, which looks the same and is quicker."""
    from core.imaging.opencv import cv2

    step = max(int(sigma / 3), 1)
    rows, columns = grey.shape
    small = grey if step == 1 else cv2.resize(grey, (columns // step, rows // step), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    result = small if step == 1 else cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return np.asarray(result, dtype=np.float32)
