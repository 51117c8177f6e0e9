"""Stored pixel values to the grey values 0 to 255 that the network sees, by the rules of the display."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import UInt8
from core.domain.study import Image
from core.imaging.decoded import VoiLut
from core.imaging.display import default_window, display_lut, first_voi, is_inverted


def table_index(stored: NDArray[Any]) -> NDArray[Any]:
    """Stored values as indices into ``grey_table``: signed ones by their bits. A view."""
    return stored.view(np.uint16) if stored.dtype == np.int16 else stored


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
