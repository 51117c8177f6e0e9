"""Detection of text burned into a picture. Advisory: it finds marks that resemble letters, and a person decides.

Letters of labels have one bright (or dark) value with hard edges. They are small and stand in a row on an even
ground, mostly beside the breast. No text is read: the detector knows no alphabet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.imaging.opencv import cv2

_LONG_SIDE = 2_000
"""Maximum size at which pictures are examined; letters smaller than 6 of its pixels are not found."""
_STEP = 90
"""Grey values of 255 between letter and ground, within 2 pixels."""
_SMALLEST, _LARGEST = 6, 0.06
"""Height of a letter in pixels, and as a share of the picture's long side."""
_LETTERS = 2
_MARGIN = 4


class TextRegion(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle of pixels of the picture, ``left <= column < right``."""

    left: int
    top: int
    right: int
    bottom: int
    marks: int
    """Letter-like marks in it."""


def suspicious_regions(pixels: NDArray[Any]) -> tuple[TextRegion, ...]:
    """Rectangles that may hold text, in reading order; ``pixels``: (rows, columns) of any integer type."""
    grey, scale = _grey(pixels)
    marks = np.zeros_like(grey)
    boxes = [box for sign in (grey, 255 - grey) for box in _letters(sign)]
    for x, y, w, h in boxes:
        marks[y : y + h, x : x + w] = 255
    if not boxes:
        return ()
    tall = int(np.median([h for _, _, _, h in boxes]))
    joined = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((max(3, tall // 2), max(3, 2 * tall)), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    held = np.bincount([labels[y + h // 2, x + w // 2] for x, y, w, h in boxes], minlength=count)
    found = []
    for label in range(1, count):
        if held[label] >= _LETTERS:
            found.append(_region(stats[label, :4].tolist(), scale, pixels.shape, int(held[label])))
    return tuple(sorted(found, key=lambda r: (r.top, r.left)))


def _grey(pixels: NDArray[Any]) -> tuple[NDArray[np.uint8], float]:
    """8 bits between the smallest and the largest value, reduced; and by how much it was reduced."""
    low, high = float(pixels.min()), float(pixels.max())
    scale = min(1.0, _LONG_SIDE / max(pixels.shape))
    values: NDArray[Any] = pixels.astype(np.float32)
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        values = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
    grey: NDArray[np.uint8] = ((values - low) * (255 / max(high - low, 1))).clip(0, 255).astype(np.uint8)
    return grey, scale


def _letters(grey: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Boxes (x, y, width, height) of small, even, bright marks with a hard edge all round."""
    tallest = max(_SMALLEST + 1, int(_LARGEST * max(grey.shape)))
    # what is brighter than everything of its surroundings within the size of a letter
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (tallest, tallest))
    ground = cv2.morphologyEx(grey, cv2.MORPH_OPEN, kernel)
    above = cv2.subtract(grey, ground)
    ink = (above >= _STEP).astype(np.uint8)
    count, found_labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    labels = np.asarray(found_labels)
    found = []
    for label in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[label])
        if not (_SMALLEST <= h <= tallest and 2 <= w <= 2 * tallest and area >= 8):
            continue
        if not 0.12 <= area / (w * h) <= 0.95:
            continue
        if _is_even_with_hard_edges(grey, labels, label, (x, y, w, h)):
            found.append((x, y, w, h))
    return found


def _is_even_with_hard_edges(
    grey: NDArray[np.uint8], labels: NDArray[Any], label: int, box: tuple[int, int, int, int]
) -> bool:
    """Return True if the inside has one value, the ring around it another, and little lies between."""
    x, y, w, h = box
    top, left = max(0, y - 3), max(0, x - 3)
    part, numbers = grey[top : y + h + 3, left : x + w + 3], labels[top : y + h + 3, left : x + w + 3]
    own = (numbers == label).astype(np.uint8)
    any_ink = cv2.dilate((numbers > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ring = (cv2.dilate(own, np.ones((7, 7), np.uint8)) > 0) & ~any_ink  # neighbouring letters are no ground
    inside = own > 0
    if not ring.any():
        return False
    bright, ground = float(np.percentile(part[inside], 75)), part[ring]
    even = float(np.percentile(part[inside], 90) - np.percentile(part[inside], 60)) < 0.15 * 255
    return even and bright - float(np.percentile(ground, 75)) >= _STEP and float(ground.std()) < 0.12 * 255


def _region(box: Sequence[int], scale: float, shape: tuple[int, ...], marks: int) -> TextRegion:
    """Return a box (x, y, width, height) of the reduced picture in pixels of the whole one, with a margin."""
    x, y, w, h = box
    left, top = int((x - _MARGIN) / scale), int((y - _MARGIN) / scale)
    right, bottom = int(np.ceil((x + w + _MARGIN) / scale)), int(np.ceil((y + h + _MARGIN) / scale))
    return TextRegion(
        left=max(0, left), top=max(0, top), right=min(shape[1], right), bottom=min(shape[0], bottom), marks=marks
    )
