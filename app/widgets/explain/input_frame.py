"""Which part of the network's input a view shows: the frame that two lesions of different mammograms share."""

from __future__ import annotations

from dataclasses import dataclass

from app.widgets.viewer.viewport import Viewport
from core.domain.geometry import Affine, Box, Point


@dataclass(frozen=True, kw_only=True)
class InputSight:
    """``zoom`` device pixels show one pixel of the network's input; ``centre`` is its point in the middle."""

    zoom: float
    centre: Point


def sight_of(viewport: Viewport, image_to_input: Affine) -> InputSight:
    """Return the part of the network's input that a viewport on a mammogram shows, in the frame of that input."""
    return InputSight(zoom=viewport.zoom / image_to_input.scale, centre=image_to_input(viewport.centre))


def viewport_of(sight: InputSight, like: Viewport, image_to_input: Affine) -> Viewport:
    """The viewport of the size of ``like`` that shows this part of the input on another mammogram."""
    at_centre = image_to_input.inverse()(sight.centre)
    return Viewport(width=like.width, height=like.height, zoom=sight.zoom * image_to_input.scale, centre=at_centre)


def input_box(side: int, image_to_input: Affine) -> Box:
    """The box of the mammogram that the network's input of ``side`` x ``side`` pixels covers."""
    return image_to_input.inverse().of_box(Box(x0=0, y0=0, x1=side, y1=side))
