"""Position of a planned lesion in the decoded and turned image."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from core.data.importers.fitting import fitted
from core.data.importers.headers import LeftOutError
from core.data.importers.pending import in_millimetres
from core.data.importers.plan import PlannedLesion, Severity
from core.domain.messages import Sentence, joined, message
from core.domain.shapes import bounds
from core.domain.study import Image, LesionOutline
from core.domain.turn import Turn
from core.imaging.orientation import Breast


def placed(
    planned: PlannedLesion, image: Image, breast: Breast | None
) -> tuple[PlannedLesion, tuple[Sentence, ...]]:
    """Return the lesion in pixels of ``image``, and notes about it.

    Outlines of tables are in the stored matrix and are turned with it.

    Raises: LeftOutError if the lesion cannot be in the image.
    """
    notes = []
    turn = Turn.of(image.turn)
    width, height = (image.height, image.width) if turn.transpose else (image.width, image.height)
    lesion, said = fitted(planned, width, height)
    if lesion is None:
        raise LeftOutError(said)
    if said:
        notes.append(said)
    if not 0 <= lesion.frame < image.frames:
        sentence = message(
            "The lesion lies on slice {frame} of an image that has {frames}.",
            frame=lesion.frame + 1,
            frames=image.frames,
        )
        raise LeftOutError(sentence, Severity.WRONG)
    if turn.code:
        lesion = replace(
            lesion,
            outline=turn.shape(lesion.outline, width, height),
            fine=tuple(turn.shape(shape, width, height) for shape in lesion.fine),
        )
    box = bounds(lesion.outline)
    inside = box.intersection(image.box)
    if inside is None:
        sentence = message(
            "The outline lies outside the image of {width} x {height} pixels.",
            width=image.width,
            height=image.height,
        )
        raise LeftOutError(sentence, Severity.WRONG)
    if inside != box:
        notes.append(message("The outline reaches beyond the edge of the image; the part outside has no pixels."))
    if breast is not None and _on_background(lesion.outline, breast):
        notes.append(
            message(
                "The outline lies on the background, where no breast is; check its coordinates and the image's "
                "side."
            )
        )
    return lesion, tuple(notes)


def refuse_unmeasured(planned: PlannedLesion, image: Image) -> None:
    """LeftOutError where the fine annotation has widths in millimetres and the image has no spacing."""
    if planned.fine and image.pixel_spacing_mm is None and any(map(in_millimetres, planned.fine)):
        sentence = message("The fine annotation has widths in millimetres, but the image has no pixel spacing.")
        raise LeftOutError(joined([sentence, message("The lesion is imported without it.")]), Severity.WRONG)


def _on_background(outline: LesionOutline, breast: Breast) -> bool:
    """Return True if none of the samples around which the outline lies is tissue."""
    box, step = bounds(outline), breast.step
    rows, columns = breast.tissue.shape
    top, bottom = _between(box.y0, box.y1, step, rows)
    left, right = _between(box.x0, box.x1, step, columns)
    return not breast.tissue[top:bottom, left:right].any()


def _between(low: float, high: float, step: int, count: int) -> tuple[int, int]:
    """The samples within, at least the nearest one."""
    first = min(max(int(np.floor(low / step)), 0), count - 1)
    return first, max(first + 1, min(int(np.ceil(high / step)), count))
