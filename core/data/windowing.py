"""Stored pixel values to the grey values 0 to 255 that the network sees, by the rules of the display."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import UInt8
from core.domain.geometry import Box
from core.domain.study import Image, Window
from core.imaging.decoded import VoiLut
from core.imaging.display import default_window, display_lut, first_voi, is_inverted


def table_index(stored: NDArray[Any]) -> NDArray[Any]:
    """Stored values as indices into ``grey_table``: signed ones by their bits. A view."""
    return stored.view(np.uint16) if stored.dtype == np.int16 else stored


_ROI_LOW, _ROI_HIGH = 0.5, 99.5
"""Percent of an ROI's own values between which ``window = roi`` stretches the grey values."""


def roi_grey_table(image: Image, stored: NDArray[Any], square: Box) -> UInt8:
    """The grey value of every stored value, stretched between percentiles of the image inside ``square``.

    Padding is black and counts for no percentile.
    """
    height, width = stored.shape
    x0, x1 = (int(np.clip(v, 0, width)) for v in (np.floor(square.x0), np.ceil(square.x1)))
    y0, y1 = (int(np.clip(v, 0, height)) for v in (np.floor(square.y0), np.ceil(square.y1)))
    values, padding = stored[y0:y1, x0:x1], image.padding
    if padding is not None:
        tissue = values[(values < padding[0]) | (values > padding[1])]
        values = tissue if tissue.size else values
    low, high = np.percentile(values, (_ROI_LOW, _ROI_HIGH))
    slope, intercept = image.rescale_slope, image.rescale_intercept
    ends = sorted((low * slope + intercept, high * slope + intercept))
    window = Window(centre=sum(ends) / 2, width=max(ends[1] - ends[0], abs(slope)), function="LINEAR_EXACT")
    inverted = is_inverted(image.photometric)
    return display_lut(stored.dtype, window, slope=slope, intercept=intercept, inverted=inverted, padding=padding)


def grey_table(
    image: Image,
    stored: NDArray[Any],
    window: Literal["file", "percentile"],
    tables: tuple[VoiLut, ...] = (),
) -> UInt8:
    """The grey value of every stored value (256 or 65,536 entries; see ``table_index``).

    ``file`` takes the file's first VOI window, else the first of its ``tables``, else ``percentile``; see
    ``core.imaging.display.default_window``. Padding is black.
    """
    inverted, padding = is_inverted(image.photometric), image.padding
    slope, intercept = image.rescale_slope, image.rescale_intercept
    voi = first_voi(image.windows, tables) if window == "file" else None
    if voi is None:
        voi = default_window(
            stored, (), "percentile", slope=slope, intercept=intercept, inverted=inverted, padding=padding
        )
    return display_lut(stored.dtype, voi, slope=slope, intercept=intercept, inverted=inverted, padding=padding)
