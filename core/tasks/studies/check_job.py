"""The check of a study as a job: in a process of its own, whatever the study holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, Failed, IsCancelled, Progress, Succeeded
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.platform.system import limit_this_process
from core.store.check import check_study
from core.store.study import Study

JOB = "check"
_MEMORY_BYTES = 6_000_000_000


class CheckVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a check; sentences for the user."""

    problems: tuple[str, ...]
    rebuild: tuple[str, ...]
    images: int
    lesions: int

    @property
    def good(self) -> bool:
        return not self.problems


def check_apart(folder: Path, *, emit: Emit, cancelled: IsCancelled) -> CheckVerdict:
    """Check the study in a child process; Cancelled where the user stopped it.

    StudyError where the study cannot be opened, or ended the process that read it.
    """
    request = JobRequest(job=JOB, arguments={"study": str(folder)})
    final = supervise(request, emit=emit, cancelled=cancelled)
    match final:
        case Succeeded(result=result):
            return msgspec.convert(result, CheckVerdict)
        case Failed(sentence=sentence):
            raise StudyError(sentence)
        case _:
            raise Cancelled


def check_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """The child's side; ``arguments``: the folder of the study."""
    limit_this_process(memory_bytes=_MEMORY_BYTES)

    def progress(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled
        emit(Progress(stage="check", done=done, total=total))

    with Study.open(Path(arguments["study"]), writable=False) as study:
        report = check_study(study, progress=progress, cancelled=cancelled)
    verdict = CheckVerdict(
        problems=tuple(problem.sentence for problem in report.problems),
        rebuild=report.rebuild,
        images=report.images,
        lesions=report.lesions,
    )
    return dict(msgspec.to_builtins(verdict))
