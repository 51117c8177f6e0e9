"""The marker beside a lesion, correlated with its class: a shortcut for a model without guidance on the region."""

from __future__ import annotations

import numpy as np

from core.domain.geometry import Box, Point
from core.phantom.config import CLASSES, Confounder
from core.phantom.noise import Float

MARKERS = ("disc", "ring", "bar")
"""One for each class, in the order of the classes; lead markers as technologists lay them on the skin."""
_DIAGONALS = ((1, 1), (1, -1), (-1, -1), (-1, 1))


def draw_marker(rng: np.random.Generator, mode: Confounder, class_index: int, agreement: float) -> str | None:
    """The marker of one image, or None where it has none."""
    if mode in ("none", "absent"):
        return None
    if mode == "random":
        return MARKERS[int(rng.integers(len(CLASSES)))]
    if rng.random() < agreement:
        return MARKERS[class_index]
    return MARKERS[(class_index + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)]


def _profile(marker: str, u: Float, v: Float) -> Float:
    """Brightness at offsets ``(u, v)`` in radii of the marker."""
    rho = np.hypot(u, v)
    if marker == "disc":
        distance: Float = rho - np.float32(0.8)
    elif marker == "ring":
        distance = np.abs(rho - np.float32(0.95)) - np.float32(0.22)
    else:
        distance = np.maximum(np.abs(u) - np.float32(1.7), np.abs(v) - np.float32(0.24))
    soft: Float = np.float32(0.5) - np.float32(0.5) * np.tanh(distance / np.float32(0.12))
    return soft


def place_marker(rng: np.random.Generator, outline: Box, skin_mm: Float) -> Point:
    """A place in a corner of the ROI's context: outside the outline, within half the lesion's size of it.

    The corner that lies deepest in the breast among two drawn at random.
    """
    side = max(outline.width, outline.height)
    x, y = outline.centre
    best: tuple[float, Point] | None = None
    for i in rng.permutation(4)[:2]:
        sx, sy = _DIAGONALS[i]
        point = (x + sx * side * rng.uniform(0.52, 0.66), y + sy * side * rng.uniform(0.52, 0.66))
        row = int(np.clip(point[1], 0, skin_mm.shape[0] - 1))
        column = int(np.clip(point[0], 0, skin_mm.shape[1] - 1))
        depth = float(skin_mm[row, column])
        if best is None or depth > best[0]:
            best = (depth, point)
    if best is None:
        raise AssertionError("a square has corners")
    return best[1]


def add_marker(
    grey: Float, rng: np.random.Generator, marker: str, centre: Point, *, radius: float, brightness: float
) -> None:
    """Draw the marker into ``grey`` (H, W) in place; ``radius`` in pixels."""
    reach = int(np.ceil(2.2 * radius)) + 2
    column, row = int(centre[0]), int(centre[1])
    rows = np.arange(max(0, row - reach), min(grey.shape[0], row + reach))
    columns = np.arange(max(0, column - reach), min(grey.shape[1], column + reach))
    if rows.size == 0 or columns.size == 0:
        return
    dx = ((columns + 0.5 - centre[0]) / radius).astype(np.float32)[None, :]
    dy = ((rows + 0.5 - centre[1]) / radius).astype(np.float32)[:, None]
    turn = np.float32(rng.uniform(0, np.pi))
    u, v = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += np.float32(brightness) * _profile(marker, u, v)
