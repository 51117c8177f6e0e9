"""A fine annotation that one file gives several regions of a segment, shared out among them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.imaging.opencv import cv2

Mask = NDArray[np.uint8]


def shared_out(fine: Mask, regions: Sequence[Mask]) -> list[Mask]:
    """Return the part of ``fine`` (rows, columns) that belongs to each region; together they are ``fine``.

    A pixel inside a region is that region's. What lies outside of all goes with the region that its connected part
    meets most, and with the first one if it meets none.
    """
    parts = [np.where(region != 0, fine, 0).astype(np.uint8) for region in regions]
    outside = (fine != 0) & ~np.any([region != 0 for region in regions], axis=0)
    if not outside.any():
        return parts
    count, labels = cv2.connectedComponents((fine != 0).astype(np.uint8), connectivity=8)
    met = np.stack([np.bincount(labels[part != 0], minlength=count) for part in parts])
    owner = met.argmax(axis=0)  # the first where it meets none
    for place, part in enumerate(parts):
        part[outside & (owner[labels] == place)] = 1
    return parts
