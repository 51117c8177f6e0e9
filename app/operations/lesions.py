"""What becomes of whole lesions, as the session's reader: each call writes and tells the screens.

StudyError, one sentence, where nothing can be written or nobody is signed in.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from app.state.changes import Change, LesionsChanged
from app.state.session import Session
from core.domain.study import Finding, Lesion, LesionOutline


def add_lesion(session: Session, image_id: str, outline: LesionOutline) -> str:
    """Its id; it becomes the chosen one. It is a finding of its own, until it is linked with another."""
    study = session.writable_study()
    image = study.images.get(image_id)
    number = 1 + max((lesion.number for lesion in study.lesions.of_image(image_id)), default=0)
    finding = Finding(id=str(uuid.uuid4()), patient_id=image.patient_id)
    lesion = Lesion(
        id=str(uuid.uuid4()),
        finding_id=finding.id,
        image_id=image_id,
        outline=outline,
        number=number,
        frame=session.frame if image_id == session.image_id else 0,
    )

    def write() -> Change:
        with study.batch():
            study.lesions.add_finding(finding)
            study.lesions.add(lesion)
        return LesionsChanged(image_id=image_id)

    if session.write(write):
        session.select(image_id, lesion.id)
    return lesion.id


def remove_lesion(session: Session, lesion_id: str) -> None:
    study = session.writable_study()
    image_id = study.lesions.get(lesion_id).image_id

    def write() -> Change:
        study.lesions.remove(lesion_id)
        if session.lesion_id == lesion_id:
            session.lesion_id = None
        return LesionsChanged(image_id=image_id)

    if session.write(write) and session.lesion_id is None:
        session.select(image_id)


def order_lesions(session: Session, image_id: str, lesion_ids: Sequence[str]) -> None:
    study = session.writable_study()

    def write() -> Change:
        study.lesions.set_order(image_id, lesion_ids)
        return LesionsChanged(image_id=image_id)

    session.write(write)


def link_lesion(session: Session, lesion_id: str, finding_id: str | None) -> None:
    """Say that it shows this finding, as lesions in other pictures do; None: one that no other picture shows.

    Only what links it changes; linking it with the finding that it had before takes that back.
    """
    study = session.writable_study()
    image = study.images.get(study.lesions.get(lesion_id).image_id)
    finding = Finding(id=finding_id or str(uuid.uuid4()), patient_id=image.patient_id)

    def write() -> Change:
        study.lesions.set_finding(lesion_id, finding)
        return LesionsChanged(image_id=image.id)

    session.write(write)
