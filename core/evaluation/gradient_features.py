"""Which way the edges about a mass run: hand-made features of gradients and ridges, in rings about its centre.

The edge of a smooth mass is crossed along a ray: its gradients are radial. Spicules run along the rays: their
gradients, and their ridges, lie across them. All are measured after three blurs, in rings of the ellipse that the
lesion's outline fits into, so that they do not depend on the lesion's size.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.imaging.opencv import cv2

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

BLURS = (0.027, 0.054, 0.107)
"""Standard deviations over half of the lesion's larger side: 1.5, 3 and 6 pixels where it fills half of 224."""
RINGS = (0.0, 0.6, 0.9, 1.15, 1.5, 2.0)
"""Borders of the rings; at 1 is the ellipse of the outline."""
_KINDS = (
    "share of gradients across the rays",
    "mean fall along the rays",
    "ridges along the rays over those across",
)

GRADIENT_NAMES = tuple(
    f"{kind}, blur {blur:g}, ring {ring}" for blur in BLURS for ring in range(1, len(RINGS)) for kind in _KINDS
)
"""45 features, in the order of ``gradient_features``."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Place:
    """The pixels about a lesion."""

    grey: Float32
    """(h, w)"""
    half: float
    """Half of the lesion's larger side, in pixels."""
    x: Float32
    """(h, w) unit vectors from the lesion's centre."""
    y: Float32
    ring: NDArray[np.int64]
    """(h, w) from 0; ``len(RINGS) - 1`` and beyond is outside."""


def gradient_features(grey: Float32, mask: NDArray[np.uint8]) -> Float:
    """Return the features of ``GRADIENT_NAMES`` of one lesion, 0 for a ring without pixels.

    ``grey`` (S, S) in [0, 1] and ``mask`` (S, S), not empty, lie on the stored square.
    """
    place = _place(grey, mask)
    found = []
    for blur in BLURS:
        found += _of_blur(place, blur * place.half)
    return np.array(found)


def _place(grey: Float32, mask: NDArray[np.uint8]) -> _Place:
    rows, columns = np.nonzero(mask)
    centre = (float(rows.mean()), float(columns.mean()))
    half = (float(np.ptp(rows) + 1) / 2, float(np.ptp(columns) + 1) / 2)
    part = tuple(
        slice(max(int(c - RINGS[-1] * h) - 1, 0), int(c + RINGS[-1] * h) + 2)
        for c, h in zip(centre, half, strict=True)
    )
    near = grey[part[0], part[1]]
    y = np.arange(part[0].start, part[0].start + near.shape[0])[:, None] - centre[0]
    x = np.arange(part[1].start, part[1].start + near.shape[1])[None, :] - centre[1]
    distance = np.hypot(x, y) + 1e-6
    ring = np.digitize(np.hypot(x / half[1], y / half[0]), RINGS[1:])
    unit = ((x / distance).astype(np.float32), (y / distance).astype(np.float32))
    return _Place(grey=near, half=max(half), x=unit[0], y=unit[1], ring=ring)


def _of_blur(place: _Place, blur: float) -> list[float]:
    smooth = cv2.GaussianBlur(place.grey, (0, 0), blur)
    gx, gy = (np.asarray(cv2.Sobel(smooth, cv2.CV_32F, *order)) for order in ((1, 0), (0, 1)))
    gxx, gxy, gyy = (
        np.asarray(cv2.Sobel(one, cv2.CV_32F, *order)) for one, order in ((gx, (1, 0)), (gx, (0, 1)), (gy, (0, 1)))
    )
    x, y = place.x, place.y
    fall, across = -(gx * x + gy * y), gy * x - gx * y
    energy = fall**2 + across**2
    along_ridge = np.maximum(-(gxx * y * y - 2 * gxy * x * y + gyy * x * x), 0) ** 2
    across_ridge = np.maximum(-(gxx * x * x + 2 * gxy * x * y + gyy * y * y), 0) ** 2
    found = []
    for ring, _ in enumerate(pairwise(RINGS)):
        here = place.ring == ring
        if not here.any():
            found += [0.0] * len(_KINDS)
            continue
        whole = float(energy[here].mean())
        found += [
            float((across[here] ** 2).mean()) / (whole + 1e-9),
            float(fall[here].mean()) / (np.sqrt(whole) + 1e-6),
            float(np.log(along_ridge[here].mean() + 1e-9) - np.log(across_ridge[here].mean() + 1e-9)),
        ]
    return found
