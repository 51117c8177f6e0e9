"""Lesions in the matrix of the file that an image came from, for everything that leaves without the image.

A study holds pictures as they hang (``core.domain.turn``). Whoever receives masks or coordinates has the original
file, whose matrix may be mirrored, upside down or transposed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.shapes import Shape
from core.domain.study import Image
from core.domain.turn import Turn
from core.exchange.collect import ExportItem

S = TypeVar("S", bound=Shape)


def stored_image(image: Image) -> Image:
    """The image with the size of its stored matrix; ``turn`` stays, to come back by."""
    if not Turn.of(image.turn).transpose:
        return image
    return msgspec.structs.replace(image, width=image.height, height=image.width)


def stored_item(item: ExportItem) -> ExportItem:
    """The lesion and its fine annotation in pixels of the stored matrix."""
    image = item.image
    if not image.turn:
        return item
    back = Turn.of(image.turn).back
    outline = back.shape(item.lesion.outline, image.width, image.height)
    fine = tuple(back.shape(shape, image.width, image.height) for shape in item.truth.fine)
    return replace(
        item,
        image=stored_image(image),
        lesion=msgspec.structs.replace(item.lesion, outline=outline),
        truth=msgspec.structs.replace(item.truth, fine=fine),
    )


def hung_image(stored: Image) -> Image:
    """Inverse of ``stored_image``."""
    return stored_image(stored)  # exchanging the sides twice changes nothing


def hung_shape(shape: S, stored: Image) -> S:
    """A shape of the stored matrix in the picture as it hangs; ``stored``: from ``stored_image``."""
    return Turn.of(stored.turn).shape(shape, stored.width, stored.height) if stored.turn else shape


def hung_mask(mask: NDArray[np.uint8], stored: Image) -> NDArray[np.uint8]:
    """A mask (rows, columns) of the stored matrix in the picture as it hangs."""
    return Turn.of(stored.turn).apply(mask) if stored.turn else mask


def stored_items(items: Iterable[ExportItem]) -> tuple[ExportItem, ...]:
    """``stored_item`` of each."""
    return tuple(map(stored_item, items))
