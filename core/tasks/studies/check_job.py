"""The check of a study and the unpacking of a backup as jobs: in a child with limits, whatever they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, Failed, IsCancelled, Progress, Succeeded
from core.domain.messages import decode_sentence, encode_sentence
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.platform.system import limit_this_process
from core.store.anchor import read_anchor
from core.store.archive import Manifest
from core.store.check import CheckReport, check_study
from core.store.restore import restore_archive
from core.store.study import Study

CHECK, RESTORE = "check", "restore"
_MEMORY_BYTES = 6_000_000_000


class CheckVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check."""

    report: CheckReport
    head: str
    """Head of the audit trail, as text."""

    @property
    def good(self) -> bool:
        return self.report.good

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the sentences for the user."""
        return tuple(problem.sentence for problem in self.report.problems)

    @property
    def rebuild(self) -> tuple[str, ...]:
        return self.report.rebuild


def check_apart(folder: Path, *, against: str = "", emit: Emit, cancelled: IsCancelled) -> CheckVerdict:
    """Check the study in a child process, also against a head that was kept outside it (``read_anchor``).

    StudyError where the study cannot be opened, or ended the process that read it; Cancelled at the user's wish.
    """
    # relative to the folder that the user is in, which is not the child's
    anchor = str(Path(against).absolute()) if against and Path(against).exists() else against
    arguments = {"study": str(folder.absolute()), "against": anchor}
    return msgspec.convert(_apart(CHECK, arguments, emit, cancelled), CheckVerdict, dec_hook=decode_sentence)


def restore_apart(path: Path, folder: Path, *, emit: Emit, cancelled: IsCancelled) -> Manifest:
    """Unpack a backup, which may be from anybody, in a child process; see ``restore_archive``."""
    arguments = {"archive": str(path.absolute()), "folder": str(folder.absolute())}
    return msgspec.convert(_apart(RESTORE, arguments, emit, cancelled), Manifest)


def _apart(job: str, arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    match supervise(JobRequest(job=job, arguments=arguments), emit=emit, cancelled=cancelled):
        case Succeeded(result=result):
            return result
        case Failed(sentence=sentence):
            raise StudyError(sentence)
        case _:
            raise Cancelled


def check_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """The child's side; ``arguments``: the folder of the study, and the anchor or ""."""
    limit_this_process(memory_bytes=_MEMORY_BYTES)
    with Study.open(Path(arguments["study"]), writable=False) as study:
        asked = str(arguments.get("against", ""))
        against = read_anchor(asked, study.info.id) if asked else None
        report = check_study(
            study, progress=_progress(CHECK, emit, cancelled), against=against, cancelled=cancelled
        )
        head = str(study.audit.head())
    return dict(msgspec.to_builtins(CheckVerdict(report=report, head=head), enc_hook=encode_sentence))


def restore_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """The child's side; ``arguments``: the backup and the new folder."""
    limit_this_process(memory_bytes=_MEMORY_BYTES)
    manifest = restore_archive(
        Path(arguments["archive"]), Path(arguments["folder"]), progress=_progress(RESTORE, emit, cancelled)
    )
    return dict(msgspec.to_builtins(manifest))


def _progress(stage: str, emit: Emit, cancelled: IsCancelled) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled
        emit(Progress(stage=stage, done=done, total=total))

    return progress
