"""A check that another machine can train: log in there and have the program report what the machine has."""

from __future__ import annotations

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Succeeded
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import RemoteHost
from core.jobs.machine_report import MachineReport
from core.jobs.ssh import run_there
from core.platform.version import code_version


def check_host(host: RemoteHost, *, emit: Emit, cancelled: IsCancelled) -> MachineReport:
    """Return what the machine reports.

    Raises: TrainingError with the reason where it does not answer; Cancelled at the user's wish.
    """

    def pass_on(event: Event) -> None:
        if not isinstance(event, TERMINAL):
            emit(event)

    job = JobRequest(job="report", arguments={"folder": host.folder})
    match run_there(host, job, emit=pass_on, cancelled=cancelled):
        case Succeeded(result=result):
            return msgspec.convert(result, MachineReport)
        case Failed(sentence=sentence):
            raise TrainingError(sentence)
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
