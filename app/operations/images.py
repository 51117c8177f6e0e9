"""Corrections of what is known of an image: side, view and patient. Each is an act that can be taken back."""

from __future__ import annotations

from functools import partial

import msgspec

from app.qt.translation import tr
from app.state.changes import Change, ImageCorrected
from app.state.journal import Act
from app.state.session import Session
from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.study import Image
from core.domain.vocabulary import Laterality, ViewPosition


def correct_view(
    session: Session, image_id: str, laterality: Laterality | None, view: ViewPosition | None
) -> None:
    """Set which side and view an image shows. StudyError if nothing can be written."""
    before = session.writable_study().images.get(image_id)
    after = msgspec.structs.replace(before, laterality=laterality, view=view)
    if after == before:
        return
    _update(session, after)
    _record(
        session, image_id, tr("Side and view"), partial(_update, session, before), partial(_update, session, after)
    )


def correct_patient(session: Session, image_id: str, pseudonym: str) -> None:
    """Make an image one of another patient of the study, with its lesions.

    StudyError if the study has no patient of this pseudonym, or nothing can be written.
    """
    study = session.writable_study()
    patient = study.patients.find_by_pseudonym(pseudonym.strip())
    if patient is None:
        raise StudyError(
            message("The study has no patient {pseudonym}; nothing was changed.", pseudonym=pseudonym.strip())
        )
    before = study.images.get(image_id).patient_id
    if before == patient.id:
        return
    _move(session, image_id, patient.id)
    undo, redo = partial(_move, session, image_id, before), partial(_move, session, image_id, patient.id)
    _record(session, image_id, tr("Patient of the image"), undo, redo)


def _record(session: Session, image_id: str, text: str, undo: partial[None], redo: partial[None]) -> None:
    session.journal.record(Act(text=text, image_id=image_id, lesion_id="", undo=undo, redo=redo))


def _update(session: Session, image: Image) -> None:
    study = session.writable_study()

    def write() -> Change:
        # what else is known may have changed since
        now = study.images.get(image.id)
        study.images.update(msgspec.structs.replace(now, laterality=image.laterality, view=image.view))
        return ImageCorrected(image_id=image.id)

    session.write(write)


def _move(session: Session, image_id: str, patient_id: str) -> None:
    study = session.writable_study()

    def write() -> Change:
        study.images.move_to_patient(image_id, patient_id)
        return ImageCorrected(image_id=image_id)

    session.write(write)
