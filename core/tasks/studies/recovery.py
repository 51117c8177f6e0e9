"""The recoverable state of a study that was not closed: killed, out of memory, power lost. Read only."""

from __future__ import annotations

import msgspec

from core.data.importers.importing import BEGUN, ENDED, SUBJECT
from core.domain.study import RunStatus
from core.store.study import Study


class UnfinishedImport(msgspec.Struct, frozen=True, kw_only=True):
    begun_utc: str
    files: int
    images_without_rows: int
    """Decoded and not entered when it ended; importing the folder again takes them up."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    since_utc: str
    """When the sitting began that was not closed."""
    revisions: int
    """The number of annotation revisions saved in that session; all of them are present."""
    last_saved_utc: str
    temporary_files: int
    """Half-written files of that sitting, deleted."""
    runs: tuple[str, ...]
    """Names of the trainings that were interrupted and can be resumed."""
    unfinished_import: UnfinishedImport | None = None


def recovery_of(study: Study) -> Recovery | None:
    """Return the recovery of the previous session.

    None if that session was closed, or if the study is open for reading only.
    """
    left = study.unclosed
    if left is None:
        return None
    revisions, last = study.annotations.committed_since(left.since_utc)
    return Recovery(
        since_utc=left.since_utc,
        revisions=revisions,
        last_saved_utc=last,
        temporary_files=study.cleared,
        runs=tuple(run.name for run in study.runs.all() if run.status is RunStatus.RUNNING),
        unfinished_import=_unfinished_import(study, left.since_utc),
    )


def _unfinished_import(study: Study, since_utc: str) -> UnfinishedImport | None:
    begun, ended = study.audit.of(BEGUN, SUBJECT), study.audit.of(ENDED, SUBJECT)
    if not begun or begun[-1].at_utc < since_utc or (ended and ended[-1].counter > begun[-1].counter):
        return None
    new: dict[str, int] = msgspec.json.decode(begun[-1].new or "{}")
    known = {image.id for image in study.images.all()}
    return UnfinishedImport(
        begun_utc=begun[-1].at_utc,
        files=new.get("files", 0),
        images_without_rows=sum(name not in known for name in study.arrays.pixel_files()),
    )
