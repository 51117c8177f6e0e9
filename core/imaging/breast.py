"""Position of the breast in a mammogram, so that a display can crop the air beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.geometry import Box
from core.imaging.opencv import cv2

_SIDE = 256
"""Pixels of the longer side at which the breast is looked for: finer detail does not move its edge."""
_GREYS = 255
_BORDER = 0.02
"""Share of the breast's size that is kept around it, so that the skin line is never cut."""
_WORTH = 0.95
"""A breast that fills more of the picture than this is shown with all of it."""
_LEAST = 0.05
"""A smaller region is a label or a fault, not a breast."""


def breast_box(pixels: NDArray[Any], *, inverted: bool, padding: tuple[int, int] | None = None) -> Box | None:
    """The box of the breast as shares of the picture, from 0 to 1; None where the whole picture is to be shown.

    ``pixels``: (rows, columns) of stored values, any level of a pyramid. ``inverted``: low values are shown bright
    (MONOCHROME1). ``padding``: smallest and largest stored value that is no part of the picture. The air is the
    dominant dark peak of the histogram (triangle method: Zack, Rogers and Latt, 1977); the breast is the largest
    region that is brighter.
    """
    grey = _grey(pixels, inverted=inverted, padding=padding)
    _, bright = cv2.threshold(grey, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_TRIANGLE)
    count, _, stats, _ = cv2.connectedComponentsWithStats(bright.astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    left, top, width, height, area = (int(value) for value in stats[largest])
    rows, columns = grey.shape
    if area < _LEAST * rows * columns or width * height > _WORTH * rows * columns:
        return None
    x, y = _BORDER * width, _BORDER * height
    return Box(
        x0=max((left - x) / columns, 0.0),
        y0=max((top - y) / rows, 0.0),
        x1=min((left + width + x) / columns, 1.0),
        y1=min((top + height + y) / rows, 1.0),
    )


def _is_padding(values: NDArray[np.float32], padding: tuple[int, int] | None) -> NDArray[np.bool_]:
    if padding is None:
        return np.zeros(values.shape, np.bool_)
    return (values >= padding[0]) & (values <= padding[1])


def _grey(pixels: NDArray[Any], *, inverted: bool, padding: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Small, smooth, from 0 (air) to 255."""
    step = max(max(pixels.shape) // (2 * _SIDE), 1)
    values = pixels[::step, ::step].astype(np.float32)
    padded = _is_padding(values, padding)
    inside = values[~padded]
    if not inside.size:
        return np.zeros((1, 1), np.uint8)
    low, high = (float(value) for value in np.percentile(inside, (0.5, 99.5)))
    share = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    share = np.where(padded, 0.0, 1 - share if inverted else share)
    scale = _SIDE / max(share.shape)
    small = cv2.resize(share.astype(np.float32), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), 1.5)
    return (smooth * _GREYS).astype(np.uint8)
