"""Square regions of interest: where they lie in the mammogram, and their pixels at the network's resolution.

Frames: *image* is the mammogram, *input* the un-augmented network input, *stored* the larger square around
it that augmentation moves in. All maps are those of ``core.domain.geometry`` (no half-pixel offsets).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import InputTransform, UInt8
from core.domain.errors import StudyError
from core.domain.geometry import Affine, Box, box_to_grid, square_around
from core.domain.messages import message

if TYPE_CHECKING:
    from scipy.sparse import csr_array

PAPER_CONTEXT = 100.0
"""Mammogram pixels added on each side of the lesion box (the authors' code)."""
COMPACT_CONTEXT = 2.0
"""Side of the compact ROI over the larger side of the lesion box."""
NO_SPACING = message("its image has no pixel spacing, which a context in millimetres needs")
SMALLEST_SIDE = 8.0
"""A lesion box smaller than this, in mammogram pixels, is taken to be this large."""


def roi_square(outline_box: Box, transform: InputTransform, *, spacing_mm: float | None = None) -> Box:
    """The square, in image pixels, that becomes the un-augmented network input of a lesion.

    ``spacing_mm``: side of an image pixel. Raises: StudyError where ``context = mm`` and it is not known.
    """
    larger = larger_side(outline_box)
    match transform.context:
        case "paper":
            side = larger + 2 * PAPER_CONTEXT
        case "compact":
            side = larger * COMPACT_CONTEXT
        case "lesion":
            side = larger * transform.context_scale
        case "mm":
            if spacing_mm is None:
                raise StudyError(NO_SPACING)
            side = larger + 2 * transform.context_mm / spacing_mm
    return square_around(outline_box, side=side)


def larger_side(outline_box: Box) -> float:
    """Larger side of a lesion box in image pixels, at least ``SMALLEST_SIDE``."""
    return max(outline_box.width, outline_box.height, SMALLEST_SIDE)


def stored_square(square: Box, transform: InputTransform) -> Box:
    """The square about the same centre that is stored: its central crop is ``square``, to the pixel."""
    return square_around(square, side=square.width * transform.stored_size / transform.input_size)


def image_to_input(square: Box, transform: InputTransform) -> Affine:
    """From mammogram pixels to pixels of the un-augmented network input."""
    return box_to_grid(square, width=transform.input_size, height=transform.input_size)


def image_to_stored(square: Box, transform: InputTransform) -> Affine:
    """From mammogram pixels to pixels of the stored square around the ROI ``square``."""
    size = transform.stored_size
    return box_to_grid(stored_square(square, transform), width=size, height=size)


def extract_pixels(pixels: NDArray[Any], square: Box, size: int, *, lut: NDArray[Any] | None = None) -> UInt8:
    """Grey values of ``square`` on a grid of ``size x size``, 0 to 255.

    ``pixels`` (H, W): grey values from 0 to 255, or indices into ``lut`` (the window), whose values are from 0
    to 255. Only what the square needs is looked up.
    """
    grey = resample(pixels, square, size, lut=lut)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def resample(
    pixels: NDArray[Any], square: Box, size: int, *, lut: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """Return the ROI like ``extract_pixels``, without rounding.

    The sampling is isotropic. The image, interpolated bilinearly, is averaged over a square that makes a mammogram
    pixel as large as an output pixel. Where the image is enlarged, that is plain bilinear interpolation. Both
    reproduce a ramp exactly. Beyond its edge the image is reflected, without repeating the edge, as often as the
    square needs.
    """
    if not math.isclose(square.width, square.height, rel_tol=1e-9) or square.width <= 0:
        raise ValueError(f"an ROI is a square with a positive side, not {square}")
    rows, vertical = _weights(square.y0, square.height, size, pixels.shape[0])
    columns, horizontal = _weights(square.x0, square.width, size, pixels.shape[1])
    patch = pixels[rows, columns]
    if lut is not None:
        patch = lut[patch]
    narrow = vertical @ np.ascontiguousarray(patch, dtype=np.float32)
    return np.ascontiguousarray((horizontal @ np.ascontiguousarray(narrow.T)).T)


def _weights(start: float, extent: float, size: int, length: int) -> tuple[slice, csr_array]:
    """The pixels that ``size`` samples of ``[start, start + extent)`` need, and (size, pixels) their weights."""
    step = extent / size
    # an output pixel averages over ``step`` mammogram pixels, of which each is an average over 1 already
    blur = math.sqrt(max(step * step - 1.0, 0.0))
    taps = math.ceil(blur) + 3
    centre = start + (np.arange(size) + 0.5) * step
    first = np.floor(centre - blur / 2 - 1.0).astype(np.int64)
    index = first[:, None] + np.arange(taps)
    offset = index + 0.5 - centre[:, None]
    if blur > 0.01:
        weight = (_hat_integral(offset + blur / 2) - _hat_integral(offset - blur / 2)) / blur
    else:
        weight = np.maximum(1.0 - np.abs(offset), 0.0)
    source = reflected(index, length)
    low, high = int(source.min()), int(source.max()) + 1
    row = np.repeat(np.arange(size), taps)
    entries = (weight.ravel().astype(np.float32), (row, source.ravel() - low))
    # scipy.sparse takes a quarter of a second to load, for which the start of the window should not wait
    from scipy.sparse import coo_array, csr_array

    return slice(low, high), csr_array(coo_array(entries, shape=(size, high - low)))


def _hat_integral(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral from minus infinity to ``t`` of the hat function max(0, 1 - abs(x))."""
    t = np.clip(t, -1.0, 1.0)
    return np.where(t < 0, (1.0 + t) ** 2 / 2, 1.0 - (1.0 - t) ** 2 / 2)


def reflected(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return the position of pixel ``index`` of the endless mirror image: ... 2 1 [0 1 2 ... n-1] n-2 n-3 ..."""
    if length < 1:
        raise ValueError("an image without pixels has nothing to reflect")
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    folded = index % period
    return np.minimum(folded, period - folded)
