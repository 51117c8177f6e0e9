"""From 16-bit pixels to what is on screen: only what is visible, only when it changed.

Two steps with a cache between them. ``_resample`` brings the visible slice of the best pyramid level to the
viewport's grid, still in 16 bits; a lookup table then makes the 8-bit picture. A window/level drag repeats the
second step alone. Both write into buffers that are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

from app.widgets.viewer.viewport import Viewport
from core.domain.geometry import Point
from core.imaging.display import apply
from core.imaging.opencv import cv2

UInt8 = NDArray[np.uint8]
Stored = NDArray[Any]
"""(rows, columns) of uint8, uint16 or int16 stored values."""

_NEAREST_FROM_ZOOM = 2.0
"""From here on single pixels are shown as squares, where they are asked for."""
_CUBIC_FROM_ZOOM = 2.0
"""From here on pixels are interpolated by cubic polynomials: linear ones leave a grid of facets."""
_WHOLE = 1e-6
"""Device pixels by which a pan may miss whole pixels."""


@dataclass(frozen=True)
class RenderedFrame:
    """A rectangle of whole device pixels; ``right`` and ``bottom`` are beyond it."""

    left: int
    top: int
    right: int
    bottom: int

    def moved(self, dx: int, dy: int) -> RenderedFrame:
        return RenderedFrame(self.left + dx, self.top + dy, self.right + dx, self.bottom + dy)

    def common(self, other: RenderedFrame) -> RenderedFrame | None:
        left, top = max(self.left, other.left), max(self.top, other.top)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return RenderedFrame(left, top, right, bottom) if left < right and top < bottom else None

    def less(self, part: RenderedFrame) -> tuple[RenderedFrame, ...]:
        """The up to four rectangles that are this one without ``part``, which lies in it; some may be empty."""
        return (
            RenderedFrame(self.left, self.top, self.right, part.top),
            RenderedFrame(self.left, part.bottom, self.right, self.bottom),
            RenderedFrame(self.left, part.top, part.left, part.bottom),
            RenderedFrame(part.right, part.top, self.right, part.bottom),
        )

    def within(self, frame: RenderedFrame) -> tuple[slice, slice]:
        """The rows and columns of an array over ``frame`` that this rectangle covers."""
        return (
            slice(self.top - frame.top, self.bottom - frame.top),
            slice(self.left - frame.left, self.right - frame.left),
        )


class Renderer:
    """Renders one mammogram: ``levels[i]`` is the image area-averaged by ``2 ** i``."""

    def __init__(self, levels: Sequence[Stored]) -> None:
        if not levels:
            raise ValueError("a renderer needs at least the full-resolution level")
        self._levels = levels
        self._grey: UInt8 = np.empty((0, 0), np.uint8)
        self._resampled: Stored = np.empty((0, 0), levels[0].dtype)
        self._frame = RenderedFrame(0, 0, 0, 0)
        self._used: Stored = np.empty(0, levels[0].dtype)
        self._spare: Stored = np.empty(0, levels[0].dtype)
        self._resampled_for: Viewport | None = None
        self._is_rough = False
        self._smooth = True

    @property
    def smooth(self) -> bool:
        """True if enlarged pixels are interpolated; else each is a square."""
        return self._smooth

    def set_smooth(self, smooth: bool) -> None:
        if smooth != self._smooth:
            self._smooth, self._resampled_for = smooth, None

    def level_for(self, zoom: float) -> int:
        """The coarsest level that still has a pixel for every device pixel."""
        if zoom >= 1:
            return 0
        return min(math.floor(-math.log2(zoom) + 1e-9), len(self._levels) - 1)

    def render(self, viewport: Viewport, table: UInt8, outside: int = 0, *, rough: bool = False) -> QImage:
        """The view as an 8-bit grey image that aliases this renderer's buffer until the next call.

        ``table`` is one of ``core.imaging.display.display_lut`` for the levels' type; ``outside`` is the grey
        value beyond the image's edge. A ``rough`` picture, for while a zoom is under way, takes a third of the
        time and may be off by half a device pixel.
        """
        if viewport != self._resampled_for or (self._is_rough and not rough):
            self._follow(viewport, rough=rough)
        if self._grey.shape != (viewport.height, viewport.width):
            self._grey = np.empty((viewport.height, viewport.width), np.uint8)
        self._fill_frame(outside)
        if self._resampled.size:
            f = self._frame
            whole = self._grey[f.top : f.bottom]
            if whole.shape == self._resampled.shape:
                _look_up(self._resampled, table, whole)
            else:
                part = np.empty(self._resampled.shape, np.uint8)
                _look_up(self._resampled, table, part)
                whole[:, f.left : f.right] = part
        rows, columns = self._grey.shape
        return QImage(self._grey.data, columns, rows, self._grey.strides[0], QImage.Format.Format_Grayscale8)

    def _fill_frame(self, grey: int) -> None:
        """Everything beyond the image's edge."""
        f = self._frame
        self._grey[: f.top] = grey
        self._grey[f.bottom :] = grey
        self._grey[f.top : f.bottom, : f.left] = grey
        self._grey[f.top : f.bottom, f.right :] = grey

    def _follow(self, viewport: Viewport, *, rough: bool) -> None:
        """Fill the part of the view that shows the image; ``_place`` is its top left device pixel.

        After a pan by whole pixels only what came into view is resampled, the rest is moved.
        """
        rows, columns = self._levels[0].shape
        forward = viewport.image_to_view
        x0, y0 = forward((0.0, 0.0))
        x1, y1 = forward((float(columns), float(rows)))
        left, right = (min(max(round(x), 0), viewport.width) for x in (x0, x1))
        top, bottom = (min(max(round(y), 0), viewport.height) for y in (y0, y1))
        target = RenderedFrame(left, top, max(right, left), max(bottom, top))
        source, kept = self._frame, self._kept_by_pan(viewport, target)
        fresh = self._buffer(target)
        if kept is None and rough and (self._smooth or viewport.zoom < _NEAREST_FROM_ZOOM):
            self._resize(viewport, target, fresh)
        elif kept is None:
            self._resample(viewport, target, fresh, target)
        else:
            part, (dx, dy) = kept
            fresh[part.within(target)] = self._resampled[part.moved(-dx, -dy).within(source)]
            for strip in target.less(part):
                self._resample(viewport, strip, fresh, target)
        self._resampled, self._frame, self._resampled_for, self._is_rough = fresh, target, viewport, rough

    def _kept_by_pan(
        self, viewport: Viewport, target: RenderedFrame
    ) -> tuple[RenderedFrame, tuple[int, int]] | None:
        """Return the part of ``target`` that was already in view, and its shift; None if it must be made anew."""
        before = self._resampled_for
        if (
            before is None
            or self._is_rough
            or (before.zoom, before.width, before.height)
            != (
                viewport.zoom,
                viewport.width,
                viewport.height,
            )
        ):
            return None
        moves = [zoomed * viewport.zoom for zoomed in _difference(before.centre, viewport.centre)]
        dx, dy = (round(move) for move in moves)
        if max(abs(moves[0] - dx), abs(moves[1] - dy)) > _WHOLE:
            return None
        part = self._frame.moved(dx, dy).common(target)
        return None if part is None else (part, (dx, dy))

    def _buffer(self, target: RenderedFrame) -> Stored:
        """Room for the target in the one of two kept buffers that is not in use."""
        size = (target.bottom - target.top) * (target.right - target.left)
        self._spare, self._used = self._used, self._spare
        if self._used.size < size:
            self._used = np.empty(size, self._levels[0].dtype)
        return self._used[:size].reshape(target.bottom - target.top, target.right - target.left)

    def _resize(self, viewport: Viewport, target: RenderedFrame, into: Stored) -> None:
        """``_resample`` of all of the target in a third of its time, to the nearest whole device pixel.

        OpenCV enlarges and shrinks far faster than it warps, but only from whole pixels of the source on.
        """
        height, width = into.shape
        if not (width and height):
            return
        rows, columns = self._levels[0].shape
        pixels = self._levels[self.level_for(viewport.zoom)]
        sx, sy = pixels.shape[1] / columns, pixels.shape[0] / rows
        back = viewport.view_to_image
        zoom_x, zoom_y = 1 / (back.a * sx), 1 / (back.e * sy)
        x0, y0 = (back.c + back.a * target.left) * sx, (back.f + back.e * target.top) * sy
        left, top = max(math.floor(x0), 0), max(math.floor(y0), 0)
        # one more pixel at the far end, so that rounding leaves no gap there
        right = min(math.ceil(x0 + width / zoom_x) + 1, pixels.shape[1])
        bottom = min(math.ceil(y0 + height / zoom_y) + 1, pixels.shape[0])
        made = cv2.resize(
            pixels[top:bottom, left:right], None, fx=zoom_x, fy=zoom_y, interpolation=cv2.INTER_LINEAR
        )
        dx, dy = max(round((x0 - left) * zoom_x), 0), max(round((y0 - top) * zoom_y), 0)
        part = made[dy : dy + height, dx : dx + width]
        into[: part.shape[0], : part.shape[1]] = part
        # at the far edge of the image rounding may leave a row or column without pixels
        into[part.shape[0] :, : part.shape[1]] = part[-1:]
        into[:, part.shape[1] :] = into[:, part.shape[1] - 1 : part.shape[1]]

    def _resample(self, viewport: Viewport, part: RenderedFrame, into: Stored, target: RenderedFrame) -> None:
        width, height = part.right - part.left, part.bottom - part.top
        if width <= 0 or height <= 0:
            return
        rows, columns = self._levels[0].shape
        pixels = self._levels[self.level_for(viewport.zoom)]
        sx, sy = pixels.shape[1] / columns, pixels.shape[0] / rows
        back = viewport.view_to_image
        # OpenCV counts from pixel centres: both grids are moved by half a pixel
        matrix = np.array(
            [
                [back.a * sx, 0.0, sx * (back.c + back.a * (part.left + 0.5)) - 0.5],
                [0.0, back.e * sy, sy * (back.f + back.e * (part.top + 0.5)) - 0.5],
            ]
        )
        method = cv2.INTER_CUBIC if viewport.zoom >= _CUBIC_FROM_ZOOM else cv2.INTER_LINEAR
        if not self._smooth and viewport.zoom >= _NEAREST_FROM_ZOOM:
            method = cv2.INTER_NEAREST
        into[part.within(target)] = cv2.warpAffine(
            pixels, matrix, (width, height), flags=method | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
        )


def _difference(a: Point, b: Point) -> Point:
    return a[0] - b[0], a[1] - b[1]


def _look_up(pixels: Stored, table: UInt8, out: UInt8) -> None:
    """``core.imaging.display.apply`` in a tenth of its time where OpenCV (from 5.0) knows 16-bit tables."""
    if not (_FAST_TABLES and out.flags.c_contiguous):
        out[...] = apply(pixels, table)
        return
    index = pixels if pixels.dtype == np.uint8 else pixels.view(np.uint16)
    cv2.LUT(index, table, dst=out)


def _has_fast_tables() -> bool:
    probe, table = np.arange(65_536, dtype=np.uint16)[None], (np.arange(65_536) % 251).astype(np.uint8)
    try:
        return bool(np.array_equal(cv2.LUT(probe, table)[0], table))
    except cv2.error:
        return False


_FAST_TABLES = _has_fast_tables()
