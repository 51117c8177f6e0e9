"""A run that another machine trains: sent there, followed, and its results brought home.

The side that runs here, in a child process as every job; ``core.tasks.runs.remote_worker`` is the other.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import (
    CancelledByUser,
    Emit,
    Event,
    Failed,
    IsCancelled,
    Message,
    Projected,
    Started,
    Succeeded,
)
from core.jobs import ssh
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import Hosts, RemoteHost
from core.platform.atomic import make_folder
from core.platform.version import code_version
from core.tasks.runs.projection_file import FILE
from core.tasks.runs.remote_worker import PACK, SentRequest, pack
from core.tasks.runs.train_job import TrainRequest, rois_of


def train_elsewhere_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """TrainingError where the host is not confirmed, cannot be reached, or fails; the run can then be resumed."""
    request = msgspec.convert(arguments, TrainRequest)
    host = Hosts().usable(request.host)
    there = f"{host.folder}/{Path(request.folder).name}"
    sha256 = _send(host, request, there, emit, cancelled)
    sent = SentRequest(
        folder=there,
        config=request.config,
        sha256=sha256,
        code_version=code_version(),
        forgotten=request.forgotten,
    )
    result = _carried_out(host, sent, emit, cancelled)
    names = ssh.fetch(host, Path(request.folder), "--in", there, "--give", emit=emit, cancelled=cancelled)
    if not {"run.json", "table.h5", "model/model.json"} <= set(names):
        raise TrainingError(f"{host.name} did not send back a complete model; resume the run.")
    if FILE in names:
        emit(Projected(epoch=_last_epoch(request), file=FILE))
    try:
        ssh.ask(host, "--in", there, "--drop")
    except TrainingError as error:
        text = f"The regions of interest still lie on {host.name}, in {there}: {error} Delete that folder."
        emit(Message(level="warning", text=text))
    return result


def _last_epoch(request: TrainRequest) -> int:
    return request.config.epochs.joint


def _send(host: RemoteHost, request: TrainRequest, there: str, emit: Emit, cancelled: IsCancelled) -> str:
    rois, parts = rois_of(request, emit, cancelled)
    folder = Path(request.folder)
    make_folder(folder)
    file = folder / PACK
    try:
        sha256 = pack(rois, parts, file)
        emit(
            Message(
                level="info",
                text=f"{len(rois)} regions of interest and the configuration are sent to {host.name}.",
            )
        )
        ssh.send(host, file, "--in", there, "--take", sha256, emit=emit, cancelled=cancelled)
    finally:
        file.unlink(missing_ok=True)
    return sha256


def _carried_out(host: RemoteHost, sent: SentRequest, emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    def relay(event: Event) -> None:
        # pictures that lie there cannot be shown here
        if not isinstance(event, Started | Projected | Succeeded | Failed | CancelledByUser):
            emit(event)

    job = JobRequest(job="train sent", arguments=msgspec.to_builtins(sent))
    match ssh.run_there(host, job, emit=relay, cancelled=cancelled):
        case Succeeded(result=result):
            return result
        case Failed(sentence=sentence, last_words=words):
            sys.stderr.write(f"{words}\n")
            raise TrainingError(sentence)
        case _:
            raise Cancelled
