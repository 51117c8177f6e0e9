"""Writes by the screens of the model, as the session's reader; each call emits its change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.state.changes import ModelRevised, OpinionGiven, ReadingGiven, RunsChanged
from app.state.session import Session
from core.domain.errors import StudyError
from core.domain.messages import message
from core.domain.opinion import CaseReading, GivenOpinion, Opinion
from core.domain.reading import StudyReading
from core.domain.study import ModelRevision, Run
from core.tasks.readers.opinions import Mark, mark_prototype

if TYPE_CHECKING:
    from core.pruning.prune import PruneOutcome
    from core.tasks.review.prototypes import Pruning


def prune(session: Session, pruning: Pruning, outcome: PruneOutcome, reason: str) -> ModelRevision:
    """The outcome becomes the run's active revision. StudyError without a reason."""
    session.writable_study()
    if not reason.strip():
        raise StudyError(
            message("Give a short reason for removing these prototypes: the reason stays with the revision.")
        )
    made = pruning.commit(outcome, reason=reason.strip())
    session.changed.emit(ModelRevised(run_id=pruning.run.id))
    return made


def undo_pruning(session: Session, run: Run) -> None:
    from core.tasks.review.prototypes import undo

    undo(session.writable_study(), run)
    session.changed.emit(ModelRevised(run_id=run.id))


def redo_pruning(session: Session, run: Run) -> None:
    from core.tasks.review.prototypes import redo

    redo(session.writable_study(), run)
    session.changed.emit(ModelRevised(run_id=run.id))


def undo_steering(session: Session, run: Run) -> Run:
    """Archive a steered run; returns its parent."""
    from core.tasks.runs.steering import undo_steering

    parent = undo_steering(session.writable_study(), run)
    session.changed.emit(RunsChanged(run_id=run.id))
    return parent


def redo_steering(session: Session, run: Run) -> Run:
    """Take back the run that was steered from this one."""
    from core.tasks.runs.steering import redo_steering

    taken = redo_steering(session.writable_study(), run)
    session.changed.emit(RunsChanged(run_id=taken.id))
    return taken


def activate(session: Session, revision: ModelRevision) -> None:
    """Make any revision of the tree the one in use."""
    session.writable_study().models.activate(revision.id)
    session.changed.emit(ModelRevised(run_id=revision.run_id))


def say(session: Session, opinion: Opinion) -> GivenOpinion:
    given = session.writable_study().reviews.give(opinion)
    session.changed.emit(OpinionGiven(run_id=opinion.run_id, subject=opinion.lesion_id))
    return given


def withdraw_opinion(session: Session, given: GivenOpinion) -> None:
    session.writable_study().reviews.withdraw(given.id)
    session.changed.emit(OpinionGiven(run_id=given.opinion.run_id, subject=given.opinion.lesion_id))


def give_reading(session: Session, reading: CaseReading) -> None:
    """Keep the reader's own call; the labels stay as they are."""
    session.writable_study().reviews.add_reading(reading)
    session.changed.emit(ReadingGiven(lesion_id=reading.lesion_id))


def withdraw_reading(session: Session, reading: CaseReading) -> None:
    session.writable_study().reviews.withdraw_reading(reading.lesion_id, reading.reader_id)
    session.changed.emit(ReadingGiven(lesion_id=reading.lesion_id))


def keep_reading(session: Session, reading: StudyReading) -> None:
    """One more reading of a reader study; it is never changed."""
    session.writable_study().reader_studies.read(reading)


def mark(session: Session, run: Run, index: int, value: Mark) -> None:
    mark_prototype(session.writable_study(), run, index, value)
    session.changed.emit(OpinionGiven(run_id=run.id, subject=f"prototype {index + 1}"))


def note_run(session: Session, run: Run, *, notes: str | None = None, archived: bool | None = None) -> None:
    """Put words beside a run, or put it away; what is None stays."""
    study = session.writable_study()
    now = study.runs.get(run.id)
    changed = msgspec.structs.replace(
        now,
        notes=now.notes if notes is None else notes,
        archived=now.archived if archived is None else archived,
    )
    study.runs.update(changed)
    session.changed.emit(RunsChanged(run_id=run.id))
