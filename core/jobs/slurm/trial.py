"""A trial of a launcher: a job that reports what it was given."""

from __future__ import annotations

import secrets
import shutil
import time
from pathlib import Path

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import Emit, Failed, IsCancelled, Succeeded
from core.domain.messages import message, without
from core.jobs.catalogue import JobRequest
from core.jobs.machine_report import MachineReport
from core.jobs.slurm import commands
from core.jobs.slurm.follower import SlurmFollower
from core.jobs.slurm.options import SlurmOptions
from core.jobs.slurm.standing import number_of
from core.jobs.slurm.submission import SlurmTask, submit
from core.jobs.slurm.words import KEPT
from core.platform.atomic import make_folder
from core.platform.places import state_folder


def try_launcher(
    options: SlurmOptions | None, seconds: float, *, emit: Emit, cancelled: IsCancelled
) -> MachineReport:
    """Hand in a job with these options and return what it reports.

    Raises: TrainingError if it fails, or has not ended within ``seconds`` (it is then cancelled); Cancelled.
    """
    if options is None:
        raise TrainingError(message("A launcher of this machine needs no test; only those of Slurm have one."))
    commands.check_present(commands.NEEDED)
    place = Path(options.folder).expanduser() if options.folder else state_folder() / "trials"
    folder = place / f"trial-{secrets.token_hex(4)}"
    make_folder(folder)
    deadline = time.monotonic() + seconds
    try:
        request = JobRequest(job="report", arguments={"folder": str(folder)})
        submit([SlurmTask(home=folder, folder=folder, request=request)], options, title="trial")

        def late() -> bool:
            return cancelled() or time.monotonic() > deadline

        follower = SlurmFollower({"": number_of(folder)}, lambda key, event: emit(event))
        ((_, final),) = follower.ends(cancelled=late)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if isinstance(final, Succeeded):
        return msgspec.convert(final.result, MachineReport)
    if isinstance(final, Failed):
        raise TrainingError(without(final.sentence, KEPT))
    if cancelled():
        raise Cancelled
    raise TrainingError(
        message(
            "The job did not end within {seconds:.0f} seconds and was cancelled; the queue may be long, or the "
            "options ask for what no node has. Wait longer with --seconds.",
            seconds=seconds,
        )
    )
