"""Features of a mass that a person would write down: edge, spiculation, brightness and size. No network.

All are measured on the stored square of the ROI, in polar coordinates about the lesion: along each ray the
distance 1 is the edge of its outline, so that a feature does not depend on the lesion's size. In the place of a
box stands its inscribed ellipse.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.data.automatic_band import rounded
from core.data.roi_set import RoiSet
from core.evaluation.gradient_features import GRADIENT_NAMES, gradient_features
from core.imaging.opencv import cv2

Float = NDArray[np.float64]

RAYS = 96
"""Directions about the centre of the lesion."""
_FROM, _TO, _STEPS = 0.3, 1.7, 57
_PROFILE = (0.6, 0.75, 0.9, 1.0, 1.1, 1.25, 1.4, 1.55)
_RIDGES = (1.05, 1.2, 1.4, 1.65)
"""Borders of three rings beyond the edge, in which spicules are looked for."""
_RIDGE_WIDTHS = (1, 3)
"""Half-widths of ridges, in rays."""

NAMES = (
    *(f"mean grey at {r:g} of the edge's distance" for r in _PROFILE),
    *("edge slope: mean", "edge slope: sd", "edge slope: lowest tenth", "edge slope: highest tenth"),
    *("edge distance: mean", "edge distance: sd", "edge width"),
    *(f"ridges of width {w}, ring {ring}" for w in _RIDGE_WIDTHS for ring in (1, 2, 3)),
    *("mean grey inside", "contrast to the ring around", "sd inside", "sd around"),
    *("log area", "elongation"),
    *GRADIENT_NAMES,
)
"""72 features, in the order of the columns."""


def hand_made_features(rois: RoiSet) -> Float:
    """Return (n, 72) features of every ROI, in the order of ``NAMES``; a row of NaN where the lesion has no
    outline.

    Grey values are in [0, 1], distances in units of the edge's, the area in pixels of the mammogram.
    """
    found = np.full((len(rois), len(NAMES)), np.nan)
    for row in range(len(rois)):
        mask = rounded(rois.lesion[row])
        if mask.any():
            grey = rois.pixels[row].astype(np.float32) / 255
            shape = _features(grey, mask, rois.image_to_input[row].scale)
            found[row] = np.concatenate([shape, gradient_features(grey, mask)])
    return found


def _features(grey: NDArray[np.float32], mask: NDArray[np.uint8], scale: float) -> Float:
    rays = _rays(grey, mask)
    distance = np.linspace(_FROM, _TO, _STEPS)
    mean = rays.mean(axis=0)
    inside = float(rays[:, distance < 0.9].mean())
    around = float(rays[:, (distance > 1.1) & (distance < 1.5)].mean())
    profile = [float(np.interp(r, distance, mean)) - inside for r in _PROFILE]
    y, x = np.nonzero(mask)
    spread = np.linalg.eigvalsh(np.cov(np.stack([x, y]).astype(np.float64)) + np.eye(2) / 12)
    ring = rays[:, distance > 1.1]
    return np.array(
        [
            *profile,
            *_edge(rays, distance),
            *_ridges(rays, distance),
            *(inside, inside - around, float(grey[mask > 0].std()), float(ring.std())),
            *(float(np.log(len(x) / scale**2)), float(np.sqrt(spread[1] / spread[0]))),
        ]
    )


def _rays(grey: NDArray[np.float32], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (RAYS, steps) grey values along each ray, at the distances ``_FROM`` to ``_TO`` of the outline's
    edge."""
    y, x = np.nonzero(mask)
    centre = (float(x.mean()), float(y.mean()))
    angle = np.arange(RAYS) * (2 * np.pi / RAYS)
    reach = np.arange(1, max(mask.shape), 0.5)
    columns = centre[0] + np.cos(angle)[:, None] * reach
    rows = centre[1] + np.sin(angle)[:, None] * reach
    within = _sampled(mask.astype(np.float32), columns, rows, cv2.BORDER_CONSTANT) > 0.5
    # the farthest point of the lesion along a ray: outlines may be concave
    edge = reach[within.shape[1] - 1 - within[:, ::-1].argmax(axis=1)]
    edge = np.where(within.any(axis=1), edge, 1.0)
    at = edge[:, None] * np.linspace(_FROM, _TO, _STEPS)
    columns = centre[0] + np.cos(angle)[:, None] * at
    rows = centre[1] + np.sin(angle)[:, None] * at
    return _sampled(grey, columns, rows, cv2.BORDER_REFLECT_101)


def _sampled(picture: NDArray[np.float32], columns: Float, rows: Float, border: int) -> NDArray[np.float32]:
    x, y = columns.astype(np.float32), rows.astype(np.float32)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=border), dtype=np.float32)


def _edge(rays: NDArray[np.float32], distance: Float) -> list[float]:
    """Return steepness, place and width of the fall of grey about the edge, over the rays."""
    near = (distance > 0.7) & (distance < 1.35)
    smooth = cv2.GaussianBlur(rays, (3, 3), 0)
    slope = -np.gradient(smooth, distance, axis=1)[:, near]
    steepest, place = slope.max(axis=1), distance[near][slope.argmax(axis=1)]
    low, high = np.percentile(steepest, (10, 90))
    fall = smooth[:, distance < 0.8].mean(axis=1) - smooth[:, distance > 1.3].mean(axis=1)
    width = float(np.median(np.abs(fall) / np.maximum(steepest, 1e-3)))
    return [
        *(float(steepest.mean()), float(steepest.std()), float(low), float(high)),
        *(float(place.mean()), float(place.std()), width),
    ]


def _ridges(rays: NDArray[np.float32], distance: Float) -> list[float]:
    """Return strength of radial ridges by width and ring: bright along a ray, darker on both sides of it."""
    found = []
    for width in _RIDGE_WIDTHS:
        sides = (np.roll(rays, width + 1, axis=0) + np.roll(rays, -width - 1, axis=0)) / 2
        ridge = cv2.blur(np.pad(rays, ((width, width), (0, 0)), mode="wrap"), (1, width))[width:-width] - sides
        for low, high in pairwise(_RIDGES):
            along = ridge[:, (distance >= low) & (distance < high)].mean(axis=1)
            found.append(float(np.sqrt((np.maximum(along, 0) ** 2).mean())))
    return found
