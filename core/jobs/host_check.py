"""A check that another machine can train: log in there and let the program count to three."""

from __future__ import annotations

import time

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Succeeded
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import RemoteHost
from core.jobs.ssh import run_there

ANSWER_S = 90.0
"""For the whole check: ssh waits 20 s for a connection, and Python starts slowly on a network disk."""
_MOST_EVENTS = 100
_GRACE_S = 3.0


def check_host(host: RemoteHost, *, emit: Emit, cancelled: IsCancelled) -> None:
    """TrainingError with the reason where it does not answer in time, Cancelled at the user's wish."""
    until, events = time.monotonic() + ANSWER_S, 0

    def pass_on(event: Event) -> None:
        nonlocal events
        events += 1
        if not isinstance(event, TERMINAL) and events <= _MOST_EVENTS:
            emit(event)

    def over() -> bool:
        return cancelled() or time.monotonic() > until or events > _MOST_EVENTS

    job = JobRequest(job="rehearsal", arguments={"steps": 3})
    match run_there(host, job, emit=pass_on, cancelled=over, grace_s=_GRACE_S):
        case Succeeded() if events <= _MOST_EVENTS:
            return
        case Failed(sentence=sentence, last_words=words):
            why = f" ({words.splitlines()[-1].strip()})" if words else ""
            raise TrainingError(f"{sentence}{why}")
        case _ if events > _MOST_EVENTS:
            raise TrainingError(f"{host.name} does not run this program: its events have no end.")
        case _ if time.monotonic() > until and not cancelled():
            raise TrainingError(
                f"{host.name} did not answer within {ANSWER_S:g} s; log in there by hand with ssh and see if "
                "the program there starts."
            )
        case _:
            raise Cancelled
