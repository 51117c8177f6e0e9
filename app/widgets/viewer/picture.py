"""Mammogram in the form that the viewer needs: its levels and the file's data for showing and measuring it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.qt.translation import tr
from core.domain.geometry import Box
from core.domain.study import Image, Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.breast import breast_box
from core.imaging.decoded import VoiLut
from core.imaging.display import default_window, display_lut, is_inverted

Voi = Window | VoiLut
UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """``levels[i]`` is the mammogram area-averaged by ``2 ** i``, as stored values (uint8, uint16 or int16)."""

    levels: tuple[NDArray[Any], ...]
    choices: tuple[Voi, ...]
    """VOI choices: the file's windows and tables in its order, then the automatic window. Never empty."""
    slope: float = 1.0
    intercept: float = 0.0
    inverted: bool = False
    """MONOCHROME1: low values are shown bright."""
    padding: tuple[int, int] | None = None
    """Smallest and largest stored value that is shown black."""
    spacing_mm: float | None = None
    spacing_source: str = ""
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    title: str = ""
    breast: Box | None = None
    """Box of the breast; None if it fills the picture, or is not found."""

    @classmethod
    def of(
        cls,
        image: Image,
        levels: Sequence[NDArray[Any]],
        *,
        voi_luts: Sequence[VoiLut] = (),
        title: str = "",
    ) -> Picture:
        """The picture of a study's image with the pyramid of ``core.store.arrays``."""
        inverted = is_inverted(image.photometric)
        automatic = default_window(
            levels[min(1, len(levels) - 1)],
            (),
            "percentile",
            slope=image.rescale_slope,
            intercept=image.rescale_intercept,
            inverted=inverted,
            padding=image.padding,
        )
        return cls(
            levels=tuple(levels),
            choices=(*image.windows, *voi_luts, replace_explanation(automatic, tr("automatic"))),
            slope=image.rescale_slope,
            intercept=image.rescale_intercept,
            inverted=inverted,
            padding=image.padding,
            spacing_mm=image.pixel_spacing_mm,
            spacing_source=image.spacing_source,
            laterality=image.laterality,
            view=image.view,
            title=title,
            breast=_breast(levels, inverted=inverted, padding=image.padding),
        )

    @property
    def box(self) -> Box:
        rows, columns = self.levels[0].shape
        return Box(x0=0, y0=0, x1=columns, y1=rows)

    def value_at(self, x: float, y: float) -> int | None:
        """The stored value of the pixel under an image point; None beyond the edge."""
        rows, columns = self.levels[0].shape
        if not (0 <= x < columns and 0 <= y < rows):
            return None
        return int(self.levels[0][int(y), int(x)])


def _breast(levels: Sequence[NDArray[Any]], *, inverted: bool, padding: tuple[int, int] | None) -> Box | None:
    """In pixels of the picture, from its coarsest level."""
    share = breast_box(levels[-1], inverted=inverted, padding=padding)
    if share is None:
        return None
    rows, columns = levels[0].shape
    return Box(x0=share.x0 * columns, y0=share.y0 * rows, x1=share.x1 * columns, y1=share.y1 * rows)


def window_of(picture: Picture, box: Box, explanation: str) -> Window | None:
    """The automatic window of one part of a picture, such as a mass; None where the box holds no pixels."""
    rows, columns = picture.levels[0].shape
    x0, y0 = max(math.floor(box.x0), 0), max(math.floor(box.y0), 0)
    part = picture.levels[0][y0 : min(math.ceil(box.y1), rows), x0 : min(math.ceil(box.x1), columns)]
    if part.size == 0:
        return None
    window = default_window(
        part,
        (),
        "percentile",
        slope=picture.slope,
        intercept=picture.intercept,
        inverted=picture.inverted,
        padding=picture.padding,
    )
    return replace_explanation(window, explanation)


def replace_explanation(window: Window, explanation: str) -> Window:
    return Window(centre=window.centre, width=window.width, function=window.function, explanation=explanation)


@dataclass(frozen=True, kw_only=True)
class Display:
    """Display settings that the reader chose for a picture."""

    voi: Voi
    inverted: bool = False
    """Turned by the reader, on top of what the file asks for."""

    def table(self, picture: Picture) -> UInt8:
        """From stored values to grey, for ``core.imaging.display.apply``."""
        return display_lut(
            picture.levels[0].dtype,
            self.voi,
            slope=picture.slope,
            intercept=picture.intercept,
            inverted=picture.inverted != self.inverted,
            padding=picture.padding,
        )

    def dragged(self, dx: float, dy: float) -> Display:
        """After a window/level drag: to the right widens, downwards raises the centre.

        250 pixels make the window e times as wide; the height of a step follows the width, so that narrow
        windows move finely. A table becomes the window over its range of values first.
        """
        window = as_window(self.voi)
        width = min(max(window.width * float(np.exp(dx / 250)), 1.0), 1e6)
        return replace(
            self,
            voi=Window(centre=window.centre + dy * window.width / 400, width=width, function=window.function),
        )


def as_window(voi: Voi) -> Window:
    """A window, or the linear one over the range of a table."""
    if isinstance(voi, Window):
        return voi
    count = len(voi.data) // 2
    return Window(centre=voi.first + count / 2, width=float(max(count, 1)))


def voi_name(voi: Voi) -> str:
    """Return the file's name of the VOI choice, else its numbers."""
    if isinstance(voi, VoiLut):
        return voi.explanation or "VOI LUT"
    numbers = f"C {voi.centre:.0f} W {voi.width:.0f}"
    return f"{voi.explanation} ({numbers})" if voi.explanation else numbers
