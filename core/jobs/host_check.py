"""A check that another machine can train: log in there and have the program report what the machine has."""

from __future__ import annotations

import time

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Succeeded
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
            raise TrainingError(f"{host.name} does not run this program: its events have no end.")
        case _ if time.monotonic() > until and not cancelled():
            raise TrainingError(
                f"{host.name} did not answer within {ANSWER_S:g} s; log in there by hand with ssh and see if "
                "the program there starts."
            )
        case _:
            raise Cancelled


def problems_of(found: MachineReport) -> list[str]:
    """Return sentences for what makes trainings there differ from here, or fail."""
    said = []
    if found.code_version != code_version():
        said.append(f"The program there is {found.code_version}, here {code_version()}: results may differ.")
    if not found.torch:
        said.append("The python there has no torch.")
    if found.free_bytes < SPARSE_BYTES:
        said.append(f"There are only {found.free_bytes / 1e6:.0f} MB free there; a training needs more.")
    said += [f"Device in use: {device}, by {holder}." for device, holder in found.busy.items()]
    return said


SPARSE_BYTES = 1 << 30
