"""Agreement of two masks: overlap, and the distance between their borders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]
"""(H, W), 1 where marked."""


def dice(a: Mask, b: Mask) -> float:
    """Dice, Ecology 26 (1945) 297: twice the common pixels over all marked ones; NaN where both are empty."""
    total = int(a.sum(dtype=np.int64)) + int(b.sum(dtype=np.int64))
    if total == 0:
        return float("nan")
    return 2.0 * int(np.logical_and(a, b).sum()) / total


def mean_border_distance(a: Mask, b: Mask) -> float:
    """Mean distance, in pixels between pixel centres, of each border pixel of one mask to the nearest one of the
    other, over the border pixels of both (symmetric); NaN where one mask is empty."""
    from scipy.ndimage import distance_transform_edt

    borders = [_border(mask) for mask in (a, b)]
    if not all(border.any() for border in borders):
        return float("nan")
    far = [distance_transform_edt(~border) for border in borders]
    apart = np.concatenate([far[1][borders[0]], far[0][borders[1]]])
    return float(apart.mean())


def _border(mask: Mask) -> NDArray[np.bool_]:
    """Marked pixels with an unmarked neighbour above, below, left or right; beyond the edge nothing is marked."""
    padded = np.pad(mask.astype(bool), 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    border: NDArray[np.bool_] = mask.astype(bool) & ~inside
    return border
