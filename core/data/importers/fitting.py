"""Fitting a planned lesion to the image that was really decoded."""

from __future__ import annotations

import msgspec

from core.data.importers.plan import PlannedLesion
from core.domain.geometry import Affine, Box, box_to_box
from core.domain.messages import NOTHING, Sentence, message
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke
from core.domain.study import LesionOutline

MOST_DISTORTED = 0.02
"""Largest difference of the scales along rows and columns; a larger one would distort the margin."""


def fitted(planned: PlannedLesion, width: int, height: int) -> tuple[PlannedLesion | None, Sentence]:
    """Return the lesion in pixels of an image of ``width x height``, and a note about it.

    The lesion is unchanged if it was drawn on a picture of this size. It is scaled if that picture has the same
    proportions. It is None for other proportions, since the part of the image that the picture shows is unknown.
    """
    if planned.drawn_on is None or planned.drawn_on == (width, height):
        return planned, NOTHING
    drawn_width, drawn_height = planned.drawn_on
    ours, theirs = f"{width} x {height}", f"{drawn_width} x {drawn_height}"
    to_image = box_to_box(Box(x0=0, y0=0, x1=drawn_width, y1=drawn_height), Box(x0=0, y0=0, x1=width, y1=height))
    if abs(to_image.a / to_image.e - 1) > MOST_DISTORTED:
        return None, message(
            "The lesion was drawn on a picture of {theirs} pixels and its image has {ours}, with different "
            "proportions.",
            theirs=theirs,
            ours=ours,
        )
    scaled = msgspec.structs.replace(
        planned,
        outline=_outline(planned.outline, to_image),
        fine=tuple(_shape(shape, to_image) for shape in planned.fine),
        drawn_on=(width, height),
    )
    return scaled, message(
        "The lesion was drawn on a picture of {theirs} pixels and is scaled to its image of {ours}.",
        theirs=theirs,
        ours=ours,
    )


def _outline(outline: LesionOutline, to_image: Affine) -> LesionOutline:
    scaled = _shape(outline, to_image)
    assert isinstance(scaled, Rectangle | Ellipse | Polygon)
    return scaled


def _shape(shape: Shape, to_image: Affine) -> Shape:
    """Scaled along both axes; what has one width or may be turned by their mean, which is near both."""
    replace = msgspec.structs.replace
    match shape:
        case Rectangle(box=box):
            return replace(shape, box=to_image.of_box(box))
        case Ellipse():
            centre, mean = to_image(shape.centre), to_image.scale
            return replace(shape, centre=centre, radius_x=shape.radius_x * mean, radius_y=shape.radius_y * mean)
        case Polygon():
            return replace(shape, points=tuple(to_image(point) for point in shape.points))
        case Line():
            return replace(shape, points=tuple(map(to_image, shape.points)), width=_length(shape.width, to_image))
        case Stroke():
            factor = to_image.scale if shape.unit == "px" else 1.0
            points = tuple(to_image(point) for point in shape.points)
            return replace(shape, points=points, widths=tuple(width * factor for width in shape.widths))


def _length(length: Length, to_image: Affine) -> Length:
    return length if length.unit == "mm" else Length(value=length.value * to_image.scale, unit="px")
