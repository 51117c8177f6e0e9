"""The side of a job that runs on a node: ``main.py job --array FILE``.

It takes its folder from the list and its place in the array, keeps to what Slurm allotted, and answers the signals
of a queue. Before the time limit (SIGUSR1) it stops after its step and is queued again; when Slurm ends it
(SIGTERM: scancel, pre-emption), it stops after its step. In both cases the step's checkpoint is kept.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import msgspec

from core.domain.errors import BadFileError
from core.domain.events import CancelledByUser, Emit, Event, Failed, Message
from core.domain.messages import message
from core.jobs.catalogue import JobRequest
from core.jobs.child import work_in
from core.jobs.slurm import commands
from core.jobs.slurm.commands import SlurmError
from core.jobs.slurm.submission import REQUEST
from core.platform.allocation import job_number, keep_to_allocation
from core.platform.system import limit_this_process

LOG = "log.txt"
_REQUEUE_S = 60.0
_CHECKPOINTS = "*state.safetensors"


class _Signals:
    """Which signal of the queue came last; 0: none."""

    def __init__(self) -> None:
        self.came = 0
        for number in (signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM)):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.came = number

    def __call__(self) -> bool:
        return self.came != 0


def run_task(array: Path) -> None:
    """Carry out this task of the array and end the process. Raises: BadFileError if it has no folder there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals, began = _Signals(), time.time()
    keep_to_allocation(os.environ)
    limit_this_process()
    folder = _folder_of(array)
    _log_to(folder / LOG)
    request = msgspec.json.decode((folder / REQUEST).read_bytes(), type=JobRequest)

    def after(final: Event, emit: Emit) -> Event | None:
        if not signals.came or not isinstance(final, CancelledByUser):
            return final
        if signals.came == signal.SIGTERM:
            text = message(
                "Slurm asked the job to stop (scancel, or a job that takes its place); it stopped after its step."
            )
            emit(Message(level="warning", text=text))
            return None
        return _queued_again(folder, began, emit)

    work_in(folder, request, stopped=signals, after=after)


def _queued_again(folder: Path, began: float, emit: Emit) -> Event | None:
    """Queue the job again, if it came further since it began; else it would never end."""
    if not any(path.stat().st_mtime >= began for path in folder.glob(_CHECKPOINTS)):
        return Failed(
            sentence=message(
                "The time limit of the job is too short for one step of its work: give it a longer --time."
            )
        )
    text = message("The time limit is near: the job stopped after its step, and is queued again.")
    emit(Message(level="info", text=text))
    try:
        commands.call("scontrol", "requeue", job_number(), limit_s=_REQUEUE_S)
    except SlurmError as error:
        return Failed(
            sentence=message(
                "The job could not be queued again at its time limit ({error}); resume the run.", error=error
            )
        )
    return None


def _folder_of(array: Path) -> Path:
    try:
        folders = msgspec.json.decode(array.read_bytes(), type=list[str])
        return Path(folders[int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))])
    except (OSError, msgspec.MsgspecError, ValueError, IndexError) as error:
        raise BadFileError(
            message("{array} does not name the folder of this job; hand the run in again.", array=array)
        ) from error


def _log_to(log: Path) -> None:
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
