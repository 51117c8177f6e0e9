"""Small changes of a ROI that no reader would call another picture, for the stability of maps.

Each keeps masks, labels and identifiers. Grey values are 0 to 255 after the window; sides are those of the network
input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet, UInt8
from core.imaging.opencv import cv2

NOISE_SHARE = 0.02
"""Standard deviation of the noise, as a share of the grey scale."""
JPEG_QUALITY = 75
SHIFT_SHARE = 0.03
"""Shift as a share of the side, to the right and downwards."""
_SEED = 7


@dataclass(frozen=True, kw_only=True)
class Perturbation:
    """One kind of change."""

    key: str
    label: str
    apply: Callable[[RoiSet], RoiSet]
    shift: Callable[[RoiSet], int]
    """Pixels by which the content moved to the right and downwards; the maps are moved back by as many."""


def with_noise(rois: RoiSet) -> RoiSet:
    """Return Gaussian noise, the same for a lesion whenever it is asked for."""
    changed = np.empty_like(rois.pixels)
    for i, (grey, lesion) in enumerate(zip(rois.pixels, rois.lesion_ids, strict=True)):
        random = np.random.default_rng([_SEED, *lesion.encode()])
        noise = random.normal(0, 255 * NOISE_SHARE, grey.shape)
        changed[i] = np.clip(np.rint(grey + noise), 0, 255)
    return replace(rois, pixels=changed)


def recompressed(rois: RoiSet) -> RoiSet:
    """Send the picture through JPEG and back."""
    changed = np.empty_like(rois.pixels)
    for i, grey in enumerate(rois.pixels):
        kept, coded = cv2.imencode(".jpg", np.ascontiguousarray(grey), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not kept:
            raise ValueError("a ROI could not be compressed")
        changed[i] = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
    return replace(rois, pixels=changed)


def shift_of(rois: RoiSet) -> int:
    """Return the number of pixels that ``shifted`` moves by: never more than the context that is stored around
    the ROI."""
    return min(max(1, round(SHIFT_SHARE * rois.transform.input_size)), rois.transform.crop_offset)


def shifted(rois: RoiSet) -> RoiSet:
    """Move the content further to the right and down; what comes in is the mammogram's own, from the stored
    context."""
    by = shift_of(rois)
    return replace(rois, pixels=_moved(rois.pixels, by))


def _moved(stored: UInt8, by: int) -> UInt8:
    """Return (n, S, S) with the rows and columns beyond the edge repeated; those never reach the central crop."""
    if by == 0:
        return stored
    padded: UInt8 = np.pad(stored, ((0, 0), (by, 0), (by, 0)), mode="edge")
    return padded[:, : stored.shape[1], : stored.shape[2]]


def _still(rois: RoiSet) -> int:
    return 0


PERTURBATIONS = (
    Perturbation(
        key="noise", label=f"noise of {NOISE_SHARE:.0%} of the grey scale", apply=with_noise, shift=_still
    ),
    Perturbation(key="recompression", label=f"JPEG of quality {JPEG_QUALITY}", apply=recompressed, shift=_still),
    Perturbation(key="shift", label=f"a shift by {SHIFT_SHARE:.0%} of the side", apply=shifted, shift=shift_of),
)


def common_part(
    before: NDArray[np.float32], after: NDArray[np.float32], by: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cut two stacks of maps (n, I, I) to the content that both show, where it moved by ``by`` pixels in
    between."""
    if by == 0:
        return before, after
    return before[:, :-by, :-by], after[:, by:, by:]


def blurred(grey: UInt8) -> UInt8:
    """Return (I, I) without detail, sigma a tenth of the side: what "taken away" means in deletion and
    insertion."""
    soft = cv2.GaussianBlur(np.ascontiguousarray(grey), (0, 0), grey.shape[0] / 10)
    return np.asarray(soft, dtype=np.uint8)
