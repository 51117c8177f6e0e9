"""ROIs with random centre and scale: a map based on positions alone cannot localise the lesion in them.

With one fixed context the lesion, and its margin, lie at the same place of every ROI, so that a constant map
scores as well as a model that uses the image (method.md, "Localisation needs a position-only control"). Training
and evaluation both draw from here, so that "random centre and scale" has one meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec
import numpy as np

from core.data.roi import SMALLEST_SIDE
from core.domain.geometry import Box
from core.domain.units import in_unit

REDRAWS = 20
"""Draws after which a square that shows the lesion's mirror image is replaced by one about the lesion's centre."""

LessThanOne = msgspec.Meta(gt=0, lt=1)


class RandomPlacement(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the draws. The defaults are those for evaluating localisation."""

    largest_shift: Annotated[float, msgspec.Meta(ge=0, le=0.5), in_unit("of the side")] = 0.25
    """Maximum distance of the ROI's centre from the lesion's, along each axis."""
    smallest_lesion: Annotated[float, LessThanOne, in_unit("of the side")] = 0.25
    """Larger side of the lesion's box over the side of the ROI, at the least."""
    largest_lesion: Annotated[float, LessThanOne, in_unit("of the side")] = 0.6


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Position of one ROI relative to its lesion. Lengths are shares of the ROI's side."""

    shift_x: float
    """Centre of the ROI minus centre of the lesion's box, x to the right."""
    shift_y: float
    lesion_share: float
    """Larger side of the lesion's box over the side of the ROI."""


JUDGED = RandomPlacement()


def draw_placement(random: np.random.Generator, limits: RandomPlacement = JUDGED) -> Placement:
    """Draw shift and scale, uniformly within the limits; ValueError if the limits are reversed."""
    if limits.smallest_lesion > limits.largest_lesion:
        raise ValueError("the smallest lesion share must not exceed the largest")
    shift_x, shift_y = random.uniform(-limits.largest_shift, limits.largest_shift, 2)
    share = random.uniform(limits.smallest_lesion, limits.largest_lesion)
    return Placement(shift_x=float(shift_x), shift_y=float(shift_y), lesion_share=float(share))


def placed_square(lesion: Box, placement: Placement) -> Box:
    """The ROI, in image pixels, of a lesion's box (image pixels) at this placement.

    Boxes below ``SMALLEST_SIDE`` are taken to be that large.
    """
    side = max(lesion.width, lesion.height, SMALLEST_SIDE) / placement.lesion_share
    x, y = lesion.centre
    x, y = x + placement.shift_x * side, y + placement.shift_y * side
    return Box(x0=x - side / 2, y0=y - side / 2, x1=x + side / 2, y1=y + side / 2)


def random_square(lesion: Box, image: Box, random: np.random.Generator, limits: RandomPlacement = JUDGED) -> Box:
    """Draw the ROI, in image pixels, of a lesion's box in an image.

    A square that reaches so far beyond the image's edge that the reflection shows the lesion once more is drawn
    again: the copy lies in no mask. After ``REDRAWS`` draws the square is centred on the lesion at the largest
    lesion share.
    """
    for _ in range(REDRAWS):
        square = placed_square(lesion, draw_placement(random, limits))
        if not shows_reflection(square, lesion, image):
            return square
    return placed_square(lesion, Placement(shift_x=0.0, shift_y=0.0, lesion_share=limits.largest_lesion))


def shows_reflection(square: Box, lesion: Box, image: Box) -> bool:
    """Check whether the reflection beyond the image's edges puts a part of the lesion into ``square`` again.

    All boxes in image pixels. Only the first reflection is looked at: a second one needs a square three times the
    size of the image.
    """
    x0, x1 = max(lesion.x0, image.x0), min(lesion.x1, image.x1)
    y0, y1 = max(lesion.y0, image.y0), min(lesion.y1, image.y1)
    if x0 >= x1 or y0 >= y1:
        return False
    across = ((2 * image.x0 - x1, 2 * image.x0 - x0), (2 * image.x1 - x1, 2 * image.x1 - x0))
    down = ((2 * image.y0 - y1, 2 * image.y0 - y0), (2 * image.y1 - y1, 2 * image.y1 - y0))
    horizontal = any(low < square.x1 and high > square.x0 for low, high in across)
    vertical = any(low < square.y1 and high > square.y0 for low, high in down)
    # a copy beside the lesion needs its rows in the square, one above or below its columns, one in a corner both
    rows_seen = y0 < square.y1 and y1 > square.y0
    columns_seen = x0 < square.x1 and x1 > square.x0
    return (horizontal and (rows_seen or vertical)) or (vertical and columns_seen)


def placement_generator(lesion_id: str, seed: int, draw: int = 0) -> np.random.Generator:
    """Random numbers of one draw of one lesion: the same whatever other lesions are drawn, in any order."""
    return np.random.default_rng([seed, draw, *lesion_id.encode()])
