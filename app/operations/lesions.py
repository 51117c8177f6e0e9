"""Edits of lesions and their labels by the session's reader.

Each call writes to the study, announces the change and records an act in the session's journal, so that it can be
taken back. StudyError, one sentence, if nothing can be written or nobody is signed in.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from functools import partial

from app.operations.label_text import describe_labels
from app.qt.translation import tr
from app.state.changes import Change, LesionsChanged
from app.state.journal import Act
from app.state.session import Session
from core.domain.study import Finding, Image, Labels, Lesion, LesionOutline


def add_lesion(session: Session, image_id: str, outline: LesionOutline) -> str:
    """Add a lesion, choose it, and return its id. It is a finding of its own until it is linked with another."""
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
    _record(session, tr("New lesion"), lesion, partial(_remove, session), partial(_put_back, session))
    return lesion.id


def remove_lesion(session: Session, lesion_id: str) -> Act:
    """Take out a lesion with its labels and every reader's shapes; the study keeps them for ``Act.undo``."""
    lesion = session.writable_study().lesions.get(lesion_id)
    _remove(session, lesion)
    return _record(session, tr("Remove lesion"), lesion, partial(_put_back, session), partial(_remove, session))


def put_back_lesion(session: Session, image_id: str, lesion_id: str) -> None:
    """Restore a lesion that was taken out at any time, with its labels and every reader's shapes, and choose it.

    StudyError if its image is gone or it was put back already.
    """
    study = session.writable_study()

    def write() -> Change:
        study.lesions.put_back(lesion_id)
        return LesionsChanged(image_id=image_id)

    if session.write(write):
        lesion = study.lesions.get(lesion_id)
        session.select(image_id, lesion_id)
        _record(session, tr("Put back lesion"), lesion, partial(_remove, session), partial(_put_back, session))


def order_lesions(session: Session, image_id: str, lesion_ids: Sequence[str]) -> None:
    """Number the lesions of an image in this order."""
    study = session.writable_study()
    before = tuple(lesion.id for lesion in sorted(study.lesions.of_image(image_id), key=lambda one: one.number))

    def order(ids: Sequence[str]) -> None:
        def write() -> Change:
            study.lesions.set_order(image_id, ids)
            return LesionsChanged(image_id=image_id)

        session.write(write)

    order(lesion_ids)
    moved = session.lesion_id or lesion_ids[0]
    act = Act(
        text=tr("Order of lesions"),
        image_id=image_id,
        lesion_id=moved,
        undo=partial(order, before),
        redo=partial(order, tuple(lesion_ids)),
    )
    session.journal.record(act)


def link_lesion(session: Session, lesion_id: str, finding_id: str | None) -> Act:
    """Make the lesion show this finding, as lesions in other pictures do; None: one that no other picture shows.

    The act belongs to the image that is looked at, from which the lesion of another picture may be linked.
    """
    study = session.writable_study()
    lesion = study.lesions.get(lesion_id)
    image = study.images.get(lesion.image_id)
    linked, before = finding_id or str(uuid.uuid4()), lesion.finding_id
    _link(session, lesion_id, image, linked)
    act = Act(
        text=tr("Same finding") if finding_id else tr("Finding of its own"),
        image_id=session.image_id or image.id,
        lesion_id=session.lesion_id or lesion_id,
        undo=partial(_link, session, lesion_id, image, before),
        redo=partial(_link, session, lesion_id, image, linked),
    )
    session.journal.record(act)
    return act


def change_outline(session: Session, shown: Lesion, outline: LesionOutline) -> None:
    """Give a lesion another box, circle or contour.

    ``shown``: the lesion as it is on the screen; ConflictError where somebody else changed its outline since.
    """
    lesion = session.writable_study().lesions.get(shown.id)
    if lesion.outline == outline:
        return
    _set_outline(session, lesion, outline, seen=shown.outline)
    _record(
        session,
        tr("Outline of the lesion"),
        lesion,
        lambda same: _set_outline(session, same, lesion.outline),
        lambda same: _set_outline(session, same, outline),
    )


def label_lesion(session: Session, lesion_id: str, labels: Labels) -> None:
    """Replace the current reader's labels of a lesion."""
    lesion = session.writable_study().lesions.get(lesion_id)
    before, _given = session.reads.labels(lesion_id)
    if before == labels:
        return
    session.set_labels(lesion_id, labels)
    _record(
        session,
        describe_labels(before, labels),
        lesion,
        lambda same: session.set_labels(same.id, before),
        lambda same: session.set_labels(same.id, labels),
    )


def _record(
    session: Session, text: str, lesion: Lesion, undo: Callable[[Lesion], object], redo: Callable[[Lesion], object]
) -> Act:
    act = Act(
        text=text,
        image_id=lesion.image_id,
        lesion_id=lesion.id,
        undo=partial(undo, lesion),
        redo=partial(redo, lesion),
    )
    session.journal.record(act)
    return act


def _remove(session: Session, lesion: Lesion) -> None:
    study = session.writable_study()

    def write() -> Change:
        study.lesions.remove(lesion.id)
        if session.lesion_id == lesion.id:
            session.lesion_id = None
        return LesionsChanged(image_id=lesion.image_id)

    if session.write(write) and session.lesion_id is None and session.image_id == lesion.image_id:
        session.select(lesion.image_id)


def _put_back(session: Session, lesion: Lesion) -> None:
    study = session.writable_study()

    def write() -> Change:
        study.lesions.put_back(lesion.id)
        return LesionsChanged(image_id=lesion.image_id)

    if session.write(write) and session.image_id == lesion.image_id:
        session.select(lesion.image_id, lesion.id)


def _set_outline(
    session: Session, lesion: Lesion, outline: LesionOutline, *, seen: LesionOutline | None = None
) -> None:
    study = session.writable_study()

    def write() -> Change:
        study.lesions.set_outline(lesion.id, outline, seen=seen)
        return LesionsChanged(image_id=lesion.image_id)

    session.write(write)


def _link(session: Session, lesion_id: str, image: Image, finding_id: str) -> None:
    study = session.writable_study()

    def write() -> Change:
        study.lesions.set_finding(lesion_id, Finding(id=finding_id, patient_id=image.patient_id))
        return LesionsChanged(image_id=image.id)

    session.write(write)
