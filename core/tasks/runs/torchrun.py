"""Support for ``torchrun main.py train``: the first process is the command, the others run the same jobs.

The command plans the runs and alone opens the study for writing. It notifies the others when each run begins, and
when there are no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import CancelledByUser, Failed, IsCancelled, Succeeded, silent
from core.domain.messages import message
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from core.tasks.runs.lifecycle import LOCAL, Execution, training_of
from core.tasks.runs.train_job import TrainRequest

_END = b"end"


def is_helper() -> bool:
    """Return True if torchrun started this process as a helper of the leading process."""
    return _size() > 1 and os.environ.get("RANK", "0") != "0"


def leads_others() -> bool:
    """Return True if torchrun started other processes beside this command."""
    return _size() > 1


def _size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def leading() -> Iterator[Execution]:
    """For the command: how it carries a run out. The helpers are sent home at the end, however it comes."""
    if _size() <= 1:
        yield LOCAL
        return
    from core.training.team import meeting_point

    point, told = meeting_point(host=True), 0

    def tell(request: TrainRequest) -> JobRequest:
        nonlocal told
        if request.host:
            raise TrainingError(
                message("This run is trained by another machine: go on without torchrun, or add --on here.")
            )
        point.set(f"run/{told}", msgspec.json.encode(request))
        told += 1
        return training_of(request)

    try:
        yield Execution(before=tell)
    finally:
        point.set(f"run/{told}", _END)


def help_out(*, cancelled: IsCancelled) -> int:
    """For a helper: every run of the command, one after another; how many there were."""
    from core.training.team import meeting_point

    point, done = meeting_point(host=False), 0
    while (told := point.get(f"run/{done}")) != _END:
        request = msgspec.json.decode(told, type=TrainRequest)
        match supervise(training_of(request), emit=silent, cancelled=cancelled):
            case Succeeded():
                done += 1
            case CancelledByUser():
                raise Cancelled
            case Failed(sentence=sentence):
                raise TrainingError(message("A helping process failed: {sentence}", sentence=sentence))
    return done
