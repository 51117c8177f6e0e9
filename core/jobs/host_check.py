"""A check that another machine can train: log in there and have the program report what the machine has."""

from __future__ import annotations

import time

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Succeeded
from core.domain.messages import Sentence, message
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import RemoteHost
from core.jobs.machine_report import MachineReport
from core.jobs.ssh import run_there
from core.platform.version import code_version

ANSWER_S = 90.0
"""For the whole check: ssh waits 20 s for a connection, and Python starts slowly on a network disk."""
_MOST_EVENTS = 100
_GRACE_S = 3.0


def check_host(host: RemoteHost, *, emit: Emit, cancelled: IsCancelled) -> MachineReport:
    """Return what the machine reports.

    Raises: TrainingError with the reason where it does not answer in time; Cancelled at the user's wish.
    """
    until, events = time.monotonic() + ANSWER_S, 0

    def pass_on(event: Event) -> None:
        nonlocal events
        events += 1
        if not isinstance(event, TERMINAL) and events <= _MOST_EVENTS:
            emit(event)

    def over() -> bool:
        return cancelled() or time.monotonic() > until or events > _MOST_EVENTS

    job = JobRequest(job="report", arguments={"folder": host.folder})
    match run_there(host, job, emit=pass_on, cancelled=over, grace_s=_GRACE_S):
        case Succeeded(result=result) if events <= _MOST_EVENTS:
            return msgspec.convert(result, MachineReport)
        case Failed(sentence=sentence):
            raise TrainingError(sentence)
        case _ if events > _MOST_EVENTS:
            raise TrainingError(
                message("{host} does not run this program: its events have no end.", host=host.name)
            )
        case _ if time.monotonic() > until and not cancelled():
            raise TrainingError(
                message(
                    "{host} did not answer within {seconds:g} s; log in there by hand with ssh and see if "
                    "the program there starts.",
                    host=host.name,
                    seconds=ANSWER_S,
                )
            )
        case _:
            raise Cancelled


def problems_of(found: MachineReport) -> list[Sentence]:
    """Return sentences for what makes trainings there differ from here, or fail."""
    said = []
    if found.code_version != code_version():
        said.append(
            message(
                "The program there is {there}, here {here}: results may differ.",
                there=found.code_version,
                here=code_version(),
            )
        )
    if not found.torch:
        said.append(message("The python there has no torch."))
    if found.free_bytes < SPARSE_BYTES:
        free = found.free_bytes / 1e6
        said.append(message("There are only {free_mb:.0f} MB free there; a training needs more.", free_mb=free))
    said += [
        message("Device in use: {device}, by {holder}.", device=device, holder=holder)
        for device, holder in found.busy.items()
    ]
    return said


SPARSE_BYTES = 1 << 30
