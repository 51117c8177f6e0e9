"""Automatic margin bands: a band along the outline of a lesion without a fine annotation.

No reader drew it. Only training uses it, where the configuration asks for it. It is named "automatic band"
wherever it is counted. It is no fine annotation, and no map is evaluated with it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet, UInt8
from core.imaging.opencv import cv2

BAND_SHARE = 0.12
"""Width of the band over the larger side of the lesion."""
_BOX = 0.97
"""A mask that fills this share of its own box was outlined by a box: the inscribed ellipse takes its place."""


def with_automatic_bands(rois: RoiSet) -> tuple[RoiSet, NDArray[np.bool_]]:
    """The ROIs with a band as fine mask where they have an outline and no fine annotation, and which those are.

    Every other ROI, and everything else of these, stays as it is.
    """
    banded = ~rois.has_fine & rois.lesion.any(axis=(1, 2))
    if not banded.any():
        return rois, banded
    fine, has_fine = rois.fine.copy(), rois.has_fine.copy()
    for row in np.flatnonzero(banded):
        fine[row] = band_along(rois.lesion[row])
        has_fine[row] = True
    return replace(rois, fine=fine, has_fine=has_fine), banded


def band_along(mask: UInt8) -> UInt8:
    """(S, S) 1 within half a band's width of the border of ``mask`` (S, S); all 0 for an empty mask.

    Where the mask reaches the edge of the grid the lesion goes on beyond it: there is no border there.
    """
    if not mask.any():
        return np.zeros_like(mask)
    top, bottom, left, right = _extent(mask)
    mask = rounded(mask)
    width = max(1, round(BAND_SHARE * max(bottom - top, right - left) / 2))
    reach = width + 1
    padded = cv2.copyMakeBorder(mask, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    inside = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(1 - padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near = (np.where(padded > 0, inside, outside) <= width)[reach:-reach, reach:-reach]
    return np.ascontiguousarray(near, dtype=np.uint8)


def rounded(mask: UInt8) -> UInt8:
    """(S, S) ``mask`` as it is; where it fills its own box, which is how a box is drawn, the inscribed ellipse."""
    if not mask.any():
        return mask
    top, bottom, left, right = _extent(mask)
    if mask[top:bottom, left:right].mean() < _BOX:
        return mask
    return _ellipse(mask.shape, (left + right) / 2, (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)


def _extent(mask: UInt8) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what is marked, in pixels; bottom and right are the far edges."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _ellipse(shape: tuple[int, ...], x: float, y: float, radius_x: float, radius_y: float) -> UInt8:
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    within = ((columns - x) / radius_x) ** 2 + ((rows - y) / radius_y) ** 2 <= 1
    return np.asarray(within, dtype=np.uint8)
