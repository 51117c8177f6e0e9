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
    that nobody else labelled or drew on has nothing to hide, unless an open assignment has the reader read it
    blind. ``lesion_id``: None for a new lesion of the image, which could lie on any lesion that is there.
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
    if any(_reads_blind(study, reader_id, one, blind=blind) for one in lesions):
        return BLIND
    return NOTHING


def _reads_blind(study: Study, reader_id: str, lesion_id: str, *, blind: bool) -> bool:
    """Return True while the reader is to name the margin of a lesion without help."""
    labels = study.lesions.all_labels(lesion_id)
    if labels.get(reader_id, Labels()).margin is not None:
        return False
    if not study.assignments.may_see_others(lesion_id, reader_id):
        # whatever the reader chose to see, and also for who is the first to label it
        return True
    others = {reader for reader, given in labels.items() if reader != reader_id and given != Labels()}
    others |= set(study.annotations.readers_of(lesion_id)) - {reader_id}
    return blind and bool(others)


def last_width(study: Study, reader_id: str) -> Length | None:
    """Return the width of the line that the reader drew or accepted last; None if there is none."""
    for annotation in study.annotations.latest_of(reader_id, _LAST):
        for shape in reversed(annotation.shapes):
            if isinstance(shape, Line) and not shape.erases:
                return shape.width
    return None
