"""What the screens of the model write, as the session's reader; each call emits what it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.changes import ModelRevised, OpinionGiven, RunsChanged
from app.session import Session
from core.domain.errors import StudyError
from core.domain.reading import Reading
from core.domain.study import ModelRevision, Run
from core.store.study import Study
from core.tasks.opinions import Mark, Opinion, give_opinion, mark_prototype

if TYPE_CHECKING:
    from core.pruning.prune import PruneOutcome
    from core.tasks.prototypes import Pruning


def writable(session: Session) -> Study:
    """StudyError, one sentence, where nothing can be written or nobody is signed in."""
    study = session.study
    if not study.writable:
        raise StudyError(session.read_only or "This study is open for reading only.")
    if session.reader is None:
        raise StudyError("Sign in first, so that the study knows who says so.")
    return study


def prune(session: Session, pruning: Pruning, outcome: PruneOutcome, reason: str) -> ModelRevision:
    """The outcome becomes the run's active revision. StudyError without a reason."""
    writable(session)
    if not reason.strip():
        raise StudyError("Say in a few words why these prototypes go: the reason stays with the revision.")
    made = pruning.commit(outcome, reason=reason.strip())
    session.changed.emit(ModelRevised(run_id=pruning.run.id))
    return made


def undo_pruning(session: Session, run: Run) -> None:
    from core.tasks.prototypes import undo

    undo(writable(session), run)
    session.changed.emit(ModelRevised(run_id=run.id))


def redo_pruning(session: Session, run: Run) -> None:
    from core.tasks.prototypes import redo

    redo(writable(session), run)
    session.changed.emit(ModelRevised(run_id=run.id))


def activate(session: Session, revision: ModelRevision) -> None:
    """Make any revision of the tree the one in use."""
    writable(session).models.activate(revision.id)
    session.changed.emit(ModelRevised(run_id=revision.run_id))


def say(session: Session, opinion: Opinion) -> None:
    give_opinion(writable(session), opinion)
    session.changed.emit(OpinionGiven(run_id=opinion.run_id, subject=opinion.lesion_id))


def keep_reading(session: Session, reading: Reading) -> None:
    """One more reading of a reader study; it is never changed."""
    writable(session).reader_studies.read(reading)


def mark(session: Session, run: Run, index: int, value: Mark) -> None:
    mark_prototype(writable(session), run, index, value)
    session.changed.emit(OpinionGiven(run_id=run.id, subject=f"prototype {index + 1}"))


def note_run(session: Session, run: Run, *, notes: str | None = None, archived: bool | None = None) -> None:
    """Put words beside a run, or put it away; what is None stays."""
    study = writable(session)
    now = study.runs.get(run.id)
    changed = msgspec.structs.replace(
        now,
        notes=now.notes if notes is None else notes,
        archived=now.archived if archived is None else archived,
    )
    study.runs.update(changed)
    session.changed.emit(RunsChanged(run_id=run.id))
