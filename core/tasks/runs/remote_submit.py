"""A run that another machine trains: sent there, followed, and its results brought home.

The side that runs here, in a child process as every job; ``core.tasks.runs.remote_worker`` is the other.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
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
from core.domain.messages import message
from core.jobs import ssh
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import Hosts, RemoteHost
from core.jobs.run_records import LEFT
from core.platform.atomic import atomic_write, make_folder
from core.platform.version import code_version
from core.tasks.runs.projection_file import FILE
from core.tasks.runs.remote_worker import PACK, SentRequest, pack
from core.tasks.runs.train_job import TrainRequest, rois_of


class LeftOnHost(msgspec.Struct, frozen=True, kw_only=True):
    host: str
    handed_in_utc: str


def read_left(folder: Path) -> LeftOnHost | None:
    """Return the record of a run that was left on its host; None for any other run."""
    try:
        return msgspec.json.decode((folder / LEFT).read_bytes(), type=LeftOnHost)
    except (OSError, msgspec.MsgspecError):
        return None


def train_elsewhere_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """TrainingError where the host is not confirmed, cannot be reached, or fails; the run can then be resumed."""
    request = msgspec.convert(arguments, TrainRequest)
    host, there = place_of(request)
    sent = _sent(host, request, there, emit, cancelled)
    result = _carried_out(host, sent, emit, cancelled)
    _bring_home(host, request, there, emit, cancelled)
    return result


def begin_elsewhere_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Send the run and begin it on its host, where it then needs no connection. Raises: TrainingError."""
    request = msgspec.convert(arguments, TrainRequest)
    host, there = place_of(request)
    sent = _sent(host, request, there, emit, cancelled)
    job = JobRequest(job="train packed", arguments=msgspec.to_builtins(sent))
    ssh.ask(host, "--in", there, "--left", "begin", given=msgspec.json.encode(job) + b"\n")
    left = LeftOnHost(host=host.name, handed_in_utc=datetime.now(UTC).isoformat(timespec="seconds"))
    atomic_write(Path(request.folder) / LEFT, msgspec.json.encode(left))
    return {}


def follow_elsewhere_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Follow a run that was left on its host to its end, and bring its results home. Raises: as the run itself."""
    request = msgspec.convert(arguments, TrainRequest)
    host, there = place_of(request)
    asked = False

    def poll() -> bool:
        nonlocal asked
        if cancelled() and not asked:
            asked = True
            halt_elsewhere(host, there)
        return False

    final = ssh.follow_there(host, there, emit=_relay(emit), cancelled=poll)
    if isinstance(final, Succeeded):
        _bring_home(host, request, there, emit, cancelled)
    (Path(request.folder) / LEFT).unlink(missing_ok=True)
    return _result_of(final)


def halt_elsewhere(host: RemoteHost, there: str) -> None:
    """Ask a run that was left on its host to stop after its step. Raises: TrainingError if it cannot be asked."""
    ssh.ask(host, "--in", there, "--left", "halt")


def place_of(request: TrainRequest) -> tuple[RemoteHost, str]:
    """Return the host of a run and its folder there. Raises: TrainingError if the host is not confirmed."""
    host = Hosts().usable(request.host)
    return host, f"{host.folder}/{Path(request.folder).name}"


def _sent(host: RemoteHost, request: TrainRequest, there: str, emit: Emit, cancelled: IsCancelled) -> SentRequest:
    sha256 = _send(host, request, there, emit, cancelled)
    return SentRequest(
        folder=there,
        config=request.config,
        sha256=sha256,
        code_version=code_version(),
        forgotten=request.forgotten,
    )


def _bring_home(host: RemoteHost, request: TrainRequest, there: str, emit: Emit, cancelled: IsCancelled) -> None:
    names = ssh.fetch(host, Path(request.folder), "--in", there, "--give", emit=emit, cancelled=cancelled)
    if not {"run.json", "table.h5", "model/model.json"} <= set(names):
        raise TrainingError(message("{host} did not send back a complete model; resume the run.", host=host.name))
    if FILE in names:
        emit(Projected(epoch=_last_epoch(request), file=FILE))
    try:
        ssh.ask(host, "--in", there, "--drop")
    except TrainingError as error:
        text = message(
            "The regions of interest still lie on {host}, in {there}: {error} Delete that folder.",
            host=host.name,
            there=there,
            error=error,
        )
        emit(Message(level="warning", text=text))


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
                text=message(
                    "{count} regions of interest and the configuration are sent to {host}.",
                    count=len(rois),
                    host=host.name,
                ),
            )
        )
        ssh.send(host, file, "--in", there, "--take", sha256, emit=emit, cancelled=cancelled)
    finally:
        file.unlink(missing_ok=True)
    return sha256


def _carried_out(host: RemoteHost, sent: SentRequest, emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    job = JobRequest(job="train sent", arguments=msgspec.to_builtins(sent))
    return _result_of(ssh.run_there(host, job, emit=_relay(emit), cancelled=cancelled))


def _relay(emit: Emit) -> Emit:
    def relay(event: Event) -> None:
        # pictures that lie there cannot be shown here
        if not isinstance(event, Started | Projected | Succeeded | Failed | CancelledByUser):
            emit(event)

    return relay


def _result_of(final: Event) -> dict[str, object]:
    match final:
        case Succeeded(result=result):
            return result
        case Failed(sentence=sentence, last_words=words):
            sys.stderr.write(f"{words}\n")
            raise TrainingError(sentence)
        case _:
            raise Cancelled
