"""Which images of a patient hang together."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from core.domain.study import Image
from core.domain.vocabulary import Laterality, ViewPosition

_OTHER_SIDE = {Laterality.LEFT: Laterality.RIGHT, Laterality.RIGHT: Laterality.LEFT}
_OTHER_VIEW = {ViewPosition.CC: ViewPosition.MLO, ViewPosition.MLO: ViewPosition.CC}


class Hanging(StrEnum):
    SINGLE = "single"
    VIEWS = "views"
    """CC and MLO of one breast."""
    SIDES = "sides"
    """Both breasts in one view."""
    FOUR = "four"
    PRIOR = "prior"
    """The picture beside the same view of the last examination before."""


def other_view(here: Image, images: Sequence[Image]) -> Image | None:
    """The other standard view of this breast in the same examination."""
    wanted = (_OTHER_VIEW[here.view],) if here.view in _OTHER_VIEW else tuple(_OTHER_VIEW)
    return _find(here, images, here.laterality, wanted)


def other_side(here: Image, images: Sequence[Image]) -> Image | None:
    """This view of the other breast in the same examination."""
    if here.laterality is None or here.view is None:
        return None
    return _find(here, images, _OTHER_SIDE[here.laterality], (here.view,))


def prior(here: Image, images: Sequence[Image]) -> Image | None:
    """The same view of the same breast in the last examination before; None where dates are unknown."""
    if here.acquired is None or here.laterality is None or here.view is None:
        return None
    date = here.acquired
    earlier = [
        image
        for image in images
        if (image.laterality, image.view) == (here.laterality, here.view)
        and image.acquired is not None
        and image.acquired < date
    ]
    return max(earlier, key=lambda image: image.acquired or "", default=None)


def arrange(here: Image, images: Sequence[Image], hanging: Hanging) -> tuple[Image, ...]:
    """``here`` and what hangs beside it, of the images of its patient; what the study lacks is left out."""
    view, side = other_view(here, images), other_side(here, images)
    match hanging:
        case Hanging.SINGLE:
            found: tuple[Image | None, ...] = (here,)
        case Hanging.VIEWS:
            found = (here, view)
        case Hanging.SIDES:
            found = (here, side)
        case Hanging.FOUR:
            found = (here, view, side, None if side is None else other_view(side, images))
            if side is None and view is not None:
                found = (here, view, other_side(view, images))
        case Hanging.PRIOR:
            # in the order of time, as one reads
            found = (prior(here, images), here)
    return tuple(image for image in found if image is not None)


def _find(
    here: Image, images: Sequence[Image], side: Laterality | None, views: Sequence[ViewPosition]
) -> Image | None:
    same = (image for image in images if (image.laterality, image.acquired) == (side, here.acquired))
    return next((image for image in same if image.view in views and image.id != here.id), None)
