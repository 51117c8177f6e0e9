"""A line that snaps to edges: the cheapest way through a picture whose edges are cheap (Mortensen and Barrett,
"Intelligent scissors for image composition", 1995), on a local crop.

The way is found by scikit-image's Dijkstra. OpenCV's own scissors (5.0.0) were seen to give maps with loops ("Map
is invalid") and to crash the process on a plain bright disc, and the former also without a limit of the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.domain.edits import kept_by_simplifying
from core.domain.geometry import Point
from core.imaging.display import apply
from core.imaging.opencv import cv2

UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float64]

REACH = 160
"""Pixels of the crop's level on each side of the seed."""
_BLUR = 1.5
"""Standard deviation, in the crop's pixels, that keeps the wire from following noise."""
_STRONG = 97.0
"""Percentile of the gradient that counts as a full edge: one bright marker must not drown a faint margin."""
_STEP_COST = 0.03
"""Cost of a step along a full edge; a step without an edge costs 1 more. Keeps paths short."""


class LiveWire:
    """Ways from a seed to any place near it. All points are continuous pixel coordinates of the mammogram."""

    def __init__(self, levels: Sequence[NDArray[Any]], table: UInt8, seed: Point, *, zoom: float) -> None:
        """``levels``: the pyramid; ``zoom``: screen pixels in an image pixel, so that the level is the one that
        the eye sees. ``table``: from stored values to grey (``display_lut``), so that edges are as shown."""
        from skimage.graph import MCP_Geometric

        level = min(max(math.floor(-math.log2(zoom) + 1e-9), 0), len(levels) - 1)
        pixels = levels[level]
        rows, columns = levels[0].shape
        self._scale = (pixels.shape[1] / columns, pixels.shape[0] / rows)
        x, y = (math.floor(v * s) for v, s in zip(seed, self._scale, strict=True))
        x, y = min(max(x, 0), pixels.shape[1] - 1), min(max(y, 0), pixels.shape[0] - 1)
        self._left, self._top = max(x - REACH, 0), max(y - REACH, 0)
        crop = np.ascontiguousarray(pixels[self._top : y + REACH + 1, self._left : x + REACH + 1])
        self._size = (crop.shape[1], crop.shape[0])
        self._seed = seed
        self._ways = MCP_Geometric(_cost(apply(crop, table)), fully_connected=True)
        self._ways.find_costs([(y - self._top, x - self._left)])

    def path_to(self, end: Point) -> tuple[Point, ...]:
        """From the seed along edges to ``end`` (both included), smoothed; straight on beyond the crop's border."""
        column, row = (math.floor(v * s) for v, s in zip(end, self._scale, strict=True))
        width, height = self._size
        column = min(max(column - self._left, 0), width - 1)
        row = min(max(row - self._top, 0), height - 1)
        way = np.asarray(self._ways.traceback((row, column)), np.float64)[:, ::-1]
        points = _smooth(way + 0.5 + (self._left, self._top)) / self._scale
        kept = kept_by_simplifying([(x, y) for x, y in points], 0.35 / self._scale[0])
        inner = [(round(float(points[i, 0]), 2), round(float(points[i, 1]), 2)) for i in kept[1:-1]]
        return (self._seed, *inner, end)


def _cost(grey: UInt8) -> Floats:
    """Return the cost of a step on each pixel: small on edges, slightly above 1 without an edge."""
    soft = cv2.GaussianBlur(grey, (0, 0), _BLUR)
    gradient = cv2.magnitude(cv2.Scharr(soft, cv2.CV_32F, 1, 0), cv2.Scharr(soft, cv2.CV_32F, 0, 1))
    full = max(float(np.percentile(gradient[::2, ::2], _STRONG)), 1e-3)
    cost: Floats = _STEP_COST + 1.0 - np.minimum(gradient / full, 1.0).astype(np.float64)
    return cost


def _smooth(points: Floats) -> Floats:
    """The staircase of pixels as the curve it means: three rounds of (1, 2, 1)/4, ends fixed."""
    for _ in range(3):
        if len(points) > 2:
            inner = (points[:-2] + 2 * points[1:-1] + points[2:]) / 4
            points = np.vstack([points[:1], inner, points[-1:]])
    return points
