"""Stored pixel values to the grey values 0 to 255 that the network sees, by the rules of the display."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import UInt8
from core.domain.study import Image
from core.imaging.display import default_window, display_lut, is_inverted


def table_index(stored: NDArray[Any]) -> NDArray[Any]:
    """Stored values as indices into ``grey_table``: signed ones by their bits. A view."""
    return stored.view(np.uint16) if stored.dtype == np.int16 else stored


def grey_table(image: Image, stored: NDArray[Any], window: Literal["file", "percentile"]) -> UInt8:
    """The grey value of every stored value (256 or 65,536 entries; see ``table_index``).

    ``file`` takes the first VOI window of the file where it has one, else ``percentile``; see
    ``core.imaging.display.default_window``.
    """
    inverted = is_inverted(image.photometric)
    slope, intercept = image.rescale_slope, image.rescale_intercept
    voi = default_window(stored, image.windows, window, slope=slope, intercept=intercept, inverted=inverted)
    return display_lut(stored.dtype, voi, slope=slope, intercept=intercept, inverted=inverted)
