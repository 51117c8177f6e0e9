"""Pictures of explanations as RGB arrays and PNG bytes; computing them is ``explanation``'s business."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from core.domain.geometry import Box

Rgb = NDArray[np.uint8]
"""(H, W, 3)"""

ColourMap = Literal["magma", "viridis", "inferno", "jet"]
"""magma is the default; jet, which the paper's figures use, is not perceptually uniform: for comparison only."""

RELEVANT_COLOUR = (94, 234, 212)
"""Outline of the most relevant part: apart from every value of magma, for colour-blind readers too."""
RECEPTIVE_COLOUR = (203, 213, 225)
"""Outline of what the strongest cell can see at most."""


@dataclass(frozen=True, kw_only=True)
class HeatStyle:
    """The style of a map drawn over an image."""

    low: float = 0.0
    """Value of the map at the cold end of the colours; there the image shines through unchanged."""
    high: float
    """Value at the hot end. One pair for all maps of a page, so that they can be compared."""
    colours: ColourMap = "magma"
    strength: float = 0.75
    """Opacity at the hot end; it grows with the power 1.5 of the share, so that lukewarm ground stays grey."""


HOTTEST = 0.02
"""Share of a prototype's map on its own lesion that lies beyond the hot end of its own scale."""


def own_scale(activation: NDArray[np.floating]) -> tuple[float, float]:
    """The cold and the hot end of a scale on which a prototype's map on its own lesion can be read.

    The similarity to the prototype's own cell is log(1/epsilon), several times that of any other cell: on a scale
    up to it everything else is black. The hot end is where the hottest 2% of the map begin.
    """
    low, high = float(activation.min()), float(np.quantile(activation, 1 - HOTTEST))
    return low, max(high, low)


@cache
def _table(name: ColourMap) -> NDArray[np.float64]:
    """(256, 3) colours from 0 to 255."""
    from matplotlib import colormaps

    table: NDArray[np.float64] = colormaps[name](np.arange(256))[:, :3] * 255
    return table


def heat(activation: NDArray[np.floating], style: HeatStyle) -> Rgb:
    """The map (H, W) in its colours alone."""
    share = _share(activation, style)
    return _bytes(_table(style.colours)[np.rint(share * 255).astype(np.int64)])


def overlay(grey: NDArray[np.uint8], activation: NDArray[np.floating], style: HeatStyle) -> Rgb:
    """The map (H, W) over the grey image (H, W), the more opaque the hotter: anatomy stays readable."""
    if grey.shape != activation.shape:
        raise ValueError(f"an image of {grey.shape} cannot carry a map of {activation.shape}")
    share = _share(activation, style)
    opacity = (style.strength * share**1.5)[..., None]
    colours = _table(style.colours)[np.rint(share * 255).astype(np.int64)]
    return _bytes(grey[..., None] * (1 - opacity) + colours * opacity)


def _share(activation: NDArray[np.floating], style: HeatStyle) -> NDArray[np.float64]:
    """Return the position of each value between the cold (0) and the hot end (1); all cold if they are equal."""
    span = style.high - style.low
    if span <= 0:
        return np.zeros(activation.shape)
    return np.clip((activation.astype(np.float64) - style.low) / span, 0, 1)


def _bytes(values: NDArray[np.floating]) -> Rgb:
    rounded: Rgb = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def as_rgb(grey: NDArray[np.uint8]) -> Rgb:
    return np.repeat(grey[..., None], 3, axis=2)


def with_box(
    picture: Rgb, box: Box, *, colour: tuple[int, int, int] = RELEVANT_COLOUR, scale: float = 1, width: int = 2
) -> Rgb:
    """A copy with the outline of ``box``, drawn outside its pixels on a dark seam that shows on any ground.

    ``scale`` is the picture's magnification over the frame of the box.
    """
    marked = picture.copy()
    sides = [round(v * scale) for v in (box.x0, box.y0, box.x1, box.y1)]
    for by in (0, width + 1):
        _ring(marked, sides, by, (0, 0, 0))
    for by in range(1, width + 1):  # last: at the picture's edge all rings fall together
        _ring(marked, sides, by, colour)
    return marked


def _ring(picture: Rgb, sides: list[int], by: int, colour: tuple[int, int, int]) -> None:
    """One line of pixels around the box, ``by`` pixels away from it, held inside the picture."""
    height, width = picture.shape[:2]
    left, top = max(0, sides[0] - 1 - by), max(0, sides[1] - 1 - by)
    right, bottom = min(width - 1, sides[2] + by), min(height - 1, sides[3] + by)
    picture[[top, bottom], left : right + 1] = colour
    picture[top : bottom + 1, [left, right]] = colour


def colour_bar(style: HeatStyle, *, width: int = 256, height: int = 10) -> Rgb:
    """The colours from the cold to the hot end, left to right."""
    ramp = np.linspace(style.low, style.high, width)
    return heat(np.broadcast_to(ramp, (height, width)), style)


def on_square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The picture, enlarged as far as it fits, centred on a black square: crops of one column line up."""
    factor = side / max(picture.shape[:2])
    size = (max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor)))
    resized = np.array(Pillow.fromarray(picture).resize(size, Pillow.Resampling.BICUBIC))
    square = np.zeros((side, side, *picture.shape[2:]), np.uint8)
    top, left = (side - size[1]) // 2, (side - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = resized
    return square


def png(picture: NDArray[np.uint8]) -> bytes:
    """The picture (H, W) or (H, W, 3) as PNG bytes, without any text chunk."""
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(picture: NDArray[np.uint8], quality: int = 90) -> bytes:
    """Encode as JPEG with full colour resolution: a tenth of the PNG, for pages that hold dozens of overlays."""
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def strip(pictures: list[Rgb], *, gap: int = 4) -> Rgb:
    """Pictures of one height side by side on black: a row of Fig. 4 as a single picture."""
    height = pictures[0].shape[0]
    spacer = np.zeros((height, gap, 3), np.uint8)
    parts: list[Rgb] = []
    for picture in pictures:
        parts += [picture, spacer]
    return np.concatenate(parts[:-1], axis=1)
