"""Rules of assisted annotation: where the program may propose a margin, and how wide the line is."""

from __future__ import annotations

from core.domain.messages import NOTHING, Sentence, message
from core.domain.reading import Condition
from core.domain.shapes import Length, Line
from core.domain.study import Labels
from core.store.study import Study

BLIND = message(
    "Name the margin first: while the labels of others are hidden, proposals come after your own label."
)
_LAST = 5
"""Lesions among which the reader's last line is looked for."""


def why_no_proposal(
    study: Study, reader_id: str, image_id: str, lesion_id: str | None, *, blind: bool
) -> Sentence:
    """Return the reason why nothing may be proposed, as a sentence; "" if it may.

    ``blind``: the labels of the data set and of others are hidden until the reader gave their own. A lesion
    that nobody else labelled or drew on has nothing to hide. ``lesion_id``: None for a new lesion of the image.
    """
    lesions = [lesion_id] if lesion_id is not None else [one.id for one in study.lesions.of_image(image_id)]
    for made in study.reader_studies.all():
        left = set(lesions) & set(made.lesion_ids)
        if left:
            left -= {
                one.lesion_id
                for one in study.reader_studies.readings(made.id)
                if one.reader_id == reader_id and one.condition is Condition.WITH_MODEL
            }
        if left:
            return message(
                "This lesion belongs to the reader study {reader_study}; read it there before you use proposals.",
                reader_study=made.name,
            )
    if not blind or lesion_id is None:
        return NOTHING
    labels = study.lesions.all_labels(lesion_id)
    own = labels.get(reader_id, Labels())
    others = {reader for reader, given in labels.items() if reader != reader_id and given != Labels()}
    others |= set(study.annotations.readers_of(lesion_id)) - {reader_id}
    return BLIND if others and own.margin is None else NOTHING


def last_width(study: Study, reader_id: str) -> Length | None:
    """Return the width of the line that the reader drew or accepted last; None if there is none."""
    for annotation in study.annotations.latest_of(reader_id, _LAST):
        for shape in reversed(annotation.shapes):
            if isinstance(shape, Line) and not shape.erases:
                return shape.width
    return None
