"""From 16-bit pixels to what is on screen: only what is visible, only when it changed.

Two steps with a cache between them. ``_resample`` brings the visible slice of the best pyramid level to the
viewport's grid, still in 16 bits; a lookup table then makes the 8-bit picture. A window/level drag repeats the
second step alone. Both write into buffers that are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from app.widgets.viewer.viewport import Viewport
from core.imaging.display import apply
from core.imaging.opencv import cv2

UInt8 = NDArray[np.uint8]
Stored = NDArray[Any]
"""(rows, columns) of uint8, uint16 or int16 stored values."""

_NEAREST_FROM_ZOOM = 4.0
"""From here on single pixels are shown as squares: a reader who looks so close wants to see them."""


class Renderer:
    """Renders one mammogram: ``levels[i]`` is the image area-averaged by ``2 ** i``."""

    def __init__(self, levels: Sequence[Stored]) -> None:
        if not levels:
            raise ValueError("a renderer needs at least the full-resolution level")
        self._levels = levels
        self._grey: UInt8 = np.empty((0, 0), np.uint8)
        self._resampled: Stored = np.empty((0, 0), levels[0].dtype)
        self._place = (0, 0)
        self._resampled_for: Viewport | None = None

    def level_for(self, zoom: float) -> int:
        """The coarsest level that still has a pixel for every device pixel."""
        if zoom >= 1:
            return 0
        return min(math.floor(-math.log2(zoom) + 1e-9), len(self._levels) - 1)

    def render(self, viewport: Viewport, table: UInt8, outside: int = 0) -> QImage:
        """The view as an 8-bit grey image that aliases this renderer's buffer until the next call.

        ``table`` is one of ``core.imaging.display.display_lut`` for the levels' type; ``outside`` is the grey
        value beyond the image's edge.
        """
        if viewport != self._resampled_for:
            self._resample(viewport)
        if self._grey.shape != (viewport.height, viewport.width):
            self._grey = np.empty((viewport.height, viewport.width), np.uint8)
        self._fill_frame(outside)
        top, left = self._place
        height, width = self._resampled.shape
        target = self._grey[top : top + height, left : left + width]
        if target.flags.c_contiguous:
            apply(self._resampled, table, out=target)
        else:
            target[...] = apply(self._resampled, table)
        rows, columns = self._grey.shape
        return QImage(self._grey.data, columns, rows, self._grey.strides[0], QImage.Format.Format_Grayscale8)

    def _fill_frame(self, grey: int) -> None:
        """Everything beyond the image's edge."""
        top, left = self._place
        height, width = self._resampled.shape
        self._grey[:top] = grey
        self._grey[top + height :] = grey
        self._grey[top : top + height, :left] = grey
        self._grey[top : top + height, left + width :] = grey

    def _resample(self, viewport: Viewport) -> None:
        """Fill the part of the view that shows the image; ``_place`` is its top left device pixel."""
        rows, columns = self._levels[0].shape
        forward = viewport.image_to_view
        x0, y0 = forward((0.0, 0.0))
        x1, y1 = forward((float(columns), float(rows)))
        left, right = (min(max(round(x), 0), viewport.width) for x in (x0, x1))
        top, bottom = (min(max(round(y), 0), viewport.height) for y in (y0, y1))
        self._resampled_for = viewport
        self._place = (top, left)
        pixels = self._levels[self.level_for(viewport.zoom)]
        if right <= left or bottom <= top:
            self._place = (0, 0)
            self._resampled = np.empty((0, 0), pixels.dtype)
            return
        sx, sy = pixels.shape[1] / columns, pixels.shape[0] / rows
        back = viewport.view_to_image
        # OpenCV counts from pixel centres: both grids are moved by half a pixel
        matrix = np.array(
            [
                [back.a * sx, 0.0, sx * (back.c + back.a * (left + 0.5)) - 0.5],
                [0.0, back.e * sy, sy * (back.f + back.e * (top + 0.5)) - 0.5],
            ]
        )
        method = cv2.INTER_NEAREST if viewport.zoom >= _NEAREST_FROM_ZOOM else cv2.INTER_LINEAR
        self._resampled = cv2.warpAffine(
            pixels,
            matrix,
            (right - left, bottom - top),
            flags=method | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
