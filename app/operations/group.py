"""Steps of the current reader in the work of a group: finishing an assigned lesion, deciding, assigning."""

from __future__ import annotations

from collections.abc import Sequence

from app.qt.translation import tr
from app.state.changes import AssignmentsChanged, Change
from app.state.journal import Act
from app.state.session import Session
from core.domain.study import Labels
from core.tasks.readers.assigning import plan_assignments


def finish_lesion(session: Session, lesion_id: str) -> Act:
    """Keep the reader's labels and drawing of now as the first ones, which ends the blinding.

    The act can be taken back while no other reader has begun the lesion. StudyError where it is not assigned to
    the reader, was finished before, or has no margin yet.
    """
    study = session.writable_study()
    session.send_strokes()  # what was drawn last counts too
    assert session.reader is not None  # or nothing were writable
    reader_id, lesion = session.reader.id, study.lesions.get(lesion_id)

    def finish() -> None:
        study.assignments.finish(lesion_id, reader_id)
        session.changed.emit(AssignmentsChanged())

    def reopen() -> None:
        study.assignments.reopen(lesion_id, reader_id)
        session.changed.emit(AssignmentsChanged())

    finish()
    act = Act(text=tr("Finish lesion"), image_id=lesion.image_id, lesion_id=lesion_id, undo=reopen, redo=finish)
    session.journal.record(act)
    return act


def assign(session: Session, names: Sequence[str], *, each: int, adjudicator: str = "", seed: int = 1) -> int:
    """Give every lesion that lacks readers to these, by rule; the number of assignments that were made.

    StudyError where there are fewer readers than ``each``, or the adjudicator is one of them.
    """
    study = session.writable_study()
    with study.batch():
        made = plan_assignments(
            study,
            [study.readers.ensure(name) for name in names],
            each=each,
            adjudicator=study.readers.ensure(adjudicator) if adjudicator else None,
            seed=seed,
        )
        study.assignments.add_many(made)
    session.changed.emit(AssignmentsChanged())
    return len(made)


def agree(session: Session) -> int:
    """Make the consensus of every lesion whose readers finished and agree; the number of lesions."""
    from core.tasks.readers.group_work import settle_agreed  # brings scipy

    made = settle_agreed(session.writable_study())
    session.changed.emit(AssignmentsChanged())
    return len(made)


def decide(session: Session, lesion_id: str, labels: Labels, drawn_by: str | None) -> None:
    """Adjudicate a lesion as the current reader; StudyError where it is not this reader's to decide."""
    study = session.writable_study()
    session.send_strokes()  # what was drawn last counts too
    assert session.reader is not None
    reader_id, image_id = session.reader.id, study.lesions.get(lesion_id).image_id

    def put() -> Change:
        study.consensus.adjudicate(lesion_id, reader_id, labels, drawn_by=drawn_by)
        return AssignmentsChanged()

    def take_back() -> Change:
        study.consensus.withdraw(lesion_id)
        return AssignmentsChanged()

    session.changed.emit(put())
    act = Act(
        text=tr("Adjudication"),
        image_id=image_id,
        lesion_id=lesion_id,
        undo=lambda: session.changed.emit(take_back()),
        redo=lambda: session.changed.emit(put()),
    )
    session.journal.record(act)
