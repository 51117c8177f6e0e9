"""Grey pictures that a program stored in colour channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.domain.messages import Sentence, message
from core.imaging.decoded import Refusal, RefusedImageError

if TYPE_CHECKING:
    from core.imaging.decoded import Pixels

_TINT = 8.0
"""Mean spread of the channels, in grey levels, above which a picture is in colour rather than tinted grey."""
_NEUTRAL, _LOSS = 128, 2
"""Chrominance of grey in 8 bits, and how far a lossy coding may be from it."""


def grey_of_rgb(array: Pixels, name: str, notes: list[Sentence]) -> Pixels:
    """Return the grey (rows, columns) of an array (rows, columns, 3) of 8 bits.

    Where the channels differ a little, it is their luminance, with a note.

    Raises: RefusedImageError for a picture in colour.
    """
    red, green, blue = (array[..., k].astype(np.int32) for k in range(3))
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return np.ascontiguousarray(array[..., 0])
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    if float(spread.mean()) > _TINT:
        raise _in_colour(name)
    # ITU-R BT.601, as JPEG's own luminance
    luminance = (299 * red + 587 * green + 114 * blue + 500) // 1000
    notes.append(
        message(
            "the colour channels differ by up to {spread} grey levels; their luminance was taken",
            spread=int(spread.max()),
        )
    )
    return luminance.astype(np.uint8)


def grey_of_ybr(array: Pixels, name: str) -> Pixels:
    """Return the luminance (rows, columns) of YBR_FULL (rows, columns, 3) without chrominance.

    Raises: RefusedImageError for a picture in colour.
    """
    if np.abs(array[..., 1:].astype(np.int16) - _NEUTRAL).max() > _LOSS:
        raise _in_colour(name)
    return np.ascontiguousarray(array[..., 0])


def _in_colour(name: str) -> RefusedImageError:
    return RefusedImageError(
        message("{name} is a colour picture; mammograms are grey.", name=name), Refusal.COLOUR
    )
