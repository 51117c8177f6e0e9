"""From stored values to grey values, in DICOM's order: modality LUT, VOI, presentation inversion once and last.

Everything is a table over the stored values, so that a change of window costs one table and one look-up a pixel.
Pure functions; windows are in modality units (after rescale), as in the file.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.domain.study import Window
from core.imaging.decoded import VoiLut

Pixels = NDArray[np.integer[Any]]
UInt8 = NDArray[np.uint8]
Floats = NDArray[np.float64]

_AT_MOST = 2_000_000
"""Pixels that a percentile is taken of; larger images are sampled on a regular grid."""
_BACKGROUND_SHARE = 0.05
_LOW, _HIGH = 0.005, 0.999


def is_inverted(photometric: str) -> bool:
    """Return True if low values are shown bright (MONOCHROME1)."""
    return photometric == "MONOCHROME1"


def apply_voi(values: Floats, voi: Window | VoiLut) -> Floats:
    """Modality values to [0, 1] by PS3.3 C.11.2.1: a table, or a LINEAR, LINEAR_EXACT or SIGMOID window."""
    if isinstance(voi, VoiLut):
        entries = voi.entries
        index = np.clip(np.floor(values) - voi.first, 0, len(entries) - 1).astype(np.int64)
        grey: Floats = np.clip(entries[index] / float((1 << voi.bits) - 1), 0.0, 1.0)
        return grey
    centre, width = voi.centre, voi.width
    if voi.function == "SIGMOID":
        exponent = np.clip(-4.0 * (values - centre) / width, -700, 700)
        return 1.0 / (1.0 + np.exp(exponent))
    if voi.function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
    if width <= 1:
        return (values > centre - 0.5).astype(np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


def display_lut(
    dtype: np.dtype[Any],
    voi: Window | VoiLut,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    inverted: bool = False,
    padding: tuple[int, int] | None = None,
) -> UInt8:
    """The table from stored values of ``dtype`` (uint8, uint16, int16) to 8-bit grey, for ``apply``.

    Entry ``i`` is of the stored value whose bits are ``i``. ``padding``: the smallest and
    the largest stored value that is shown black whatever the window.
    """
    stored = _all_values(dtype)
    grey = apply_voi(stored * slope + intercept, voi)
    if inverted:
        grey = 1.0 - grey
    table = np.floor(grey * 255.0 + 0.5).astype(np.uint8)
    if padding is not None:
        table[(stored >= padding[0]) & (stored <= padding[1])] = 0
    return table


def first_voi(windows: tuple[Window, ...], tables: tuple[VoiLut, ...]) -> Window | VoiLut | None:
    """The file's own first choice: its first window, else its first table; None where it has neither."""
    if windows:
        return windows[0]
    return tables[0] if tables else None


def apply(pixels: Pixels, lut: UInt8, *, out: UInt8 | None = None) -> UInt8:
    """Grey values ``(rows, columns)`` of stored values by a table of ``display_lut`` for the same type."""
    index = pixels if pixels.dtype == np.uint8 else pixels.view(np.uint16)
    if len(lut) != 1 << (8 * pixels.itemsize):
        raise ValueError(f"a table of {len(lut)} entries does not belong to {pixels.dtype} pixels")
    if out is None:
        return lut[index]
    # every index is within the table: "clip" only keeps the result from being buffered
    return np.take(lut, index, out=out, mode="clip")


def default_window(
    pixels: Pixels,
    windows: tuple[Window, ...],
    rule: Literal["file", "percentile"],
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    inverted: bool = False,
    padding: tuple[int, int] | None = None,
) -> Window:
    """The window of the network's input and of a picture's first view.

    ``file``: the file's first window where it has one. Else, and with ``percentile``: from the 0.5th to the
    99.9th percentile of the breast. The breast is what is neither padding nor darker, as shown, than 5% of the
    way from the darkest to the brightest thousandth of the picture.
    """
    if rule == "file" and windows:
        return windows[0]
    step = max(1, int(np.sqrt(pixels.size / _AT_MOST)))
    values, counts = _histogram(pixels[::step, ::step])
    if padding is not None:
        picture = (values < padding[0]) | (values > padding[1])
        if picture.any():
            values, counts = values[picture], counts[picture]
    modality = values * slope + intercept
    shown = -modality if inverted else modality
    order = np.argsort(shown, kind="stable")
    shown, counts = shown[order], counts[order]
    darkest, brightest = _percentile(shown, counts, 0.001), _percentile(shown, counts, 0.999)
    breast = shown > darkest + _BACKGROUND_SHARE * (brightest - darkest)
    if breast.any():
        shown, counts = shown[breast], counts[breast]
    low, high = _percentile(shown, counts, _LOW), _percentile(shown, counts, _HIGH)
    if inverted:
        low, high = -high, -low
    return Window(
        centre=(low + high) / 2, width=max(high - low, 1.0), function="LINEAR_EXACT", explanation="percentile"
    )


def _all_values(dtype: np.dtype[Any]) -> Floats:
    if dtype == np.uint8:
        return np.arange(256, dtype=np.float64)
    if dtype not in (np.uint16, np.int16):
        raise ValueError(f"stored values are uint8, uint16 or int16, not {dtype}")
    return np.arange(65_536, dtype=np.uint16).view(dtype).astype(np.float64)


def _histogram(pixels: Pixels) -> tuple[Floats, NDArray[np.int64]]:
    """The stored values that occur, and how often."""
    values = _all_values(pixels.dtype)
    flat = np.ascontiguousarray(pixels).reshape(-1)
    counts = np.bincount(flat if flat.dtype == np.uint8 else flat.view(np.uint16), minlength=len(values))
    present = counts > 0
    return values[present], counts[present].astype(np.int64)


def _percentile(values: Floats, counts: NDArray[np.int64], share: float) -> float:
    """The smallest value that at least ``share`` of the pixels do not exceed; ``values`` ascending."""
    running = np.cumsum(counts)
    return float(values[min(int(np.searchsorted(running, share * running[-1])), len(values) - 1)])
