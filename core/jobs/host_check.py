"""A check that another machine can train: log in there and let the program count to three."""

from __future__ import annotations

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Succeeded
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import RemoteHost
from core.jobs.ssh import run_there


def check_host(host: RemoteHost, *, emit: Emit, cancelled: IsCancelled) -> None:
    """TrainingError with the reason where it does not answer, Cancelled at the user's wish."""

    def pass_on(event: Event) -> None:
        if not isinstance(event, TERMINAL):
            emit(event)

    job = JobRequest(job="rehearsal", arguments={"steps": 3})
    match run_there(host, job, emit=pass_on, cancelled=cancelled):
        case Succeeded():
            return
        case Failed(sentence=sentence, last_words=words):
            why = f" ({words.splitlines()[-1].strip()})" if words else ""
            raise TrainingError(f"{sentence}{why}")
        case _:
            raise Cancelled
