"""Training what another machine sent: the side of ``train --on HOST`` that runs there.

It gets the regions of interest, their masks, classes and parts under the study's random identifiers, and the
configuration: no name, no pseudonym, no source and no whole mammogram. It keeps them beside the run's state until
the results were fetched.
"""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import IO, Any, BinaryIO

import msgspec
import numpy as np

from core.data.roi_set import RoiSet
from core.domain.errors import ArrayLostError, BadFileError, TrainingError
from core.domain.events import Emit, IsCancelled, Message, never
from core.domain.geometry import Affine
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.jobs import ssh
from core.jobs.catalogue import JobRequest
from core.jobs.child import EventWriter, hold
from core.jobs.detached import STOP, ask_to_stop, forget, is_alive, launch
from core.jobs.detached import follow as follow_job
from core.platform.allocation import job_number
from core.platform.atomic import make_folder
from core.platform.version import code_version
from core.store.hdf5 import Array, arrays_sha256, read_arrays, write_arrays
from core.tasks.runs.held_device import held_device
from core.training.config import TrainingConfig
from core.training.forgotten_patches import ForgottenPatch

PACK, LOG = "sent.h5", "log.txt"
_STOP_S, _POLL_S = 60.0, 0.2
_ARRAYS = ("pixels", "lesion", "fine", "has_fine", "label", "malignant")


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    """There; relative to the home folder."""
    config: TrainingConfig
    sha256: str
    """The SHA-256 of the file that was sent."""
    code_version: str
    forgotten: tuple[ForgottenPatch, ...] = ()
    pack: str = ""
    """The file of the regions of interest, where it does not lie in the folder."""
    parts: tuple[Part, ...] = ()
    """The part of each region of interest, where the file does not name it."""


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    lesion_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    """Random ones of the study, not its pseudonyms."""
    image_to_input: tuple[Affine, ...]
    parts: tuple[Part, ...]
    synthetic: bool


def pack(rois: RoiSet, parts: np.ndarray[Any, np.dtype[np.str_]], path: Path) -> str:
    """Write what crosses into one file; its hash."""
    arrays = packed_arrays(rois, tuple(Part(part) for part in parts))
    sha256 = arrays_sha256(arrays)
    write_arrays(path, arrays, sha256=sha256)
    return sha256


def packed_arrays(rois: RoiSet, parts: tuple[Part, ...]) -> dict[str, Array]:
    """Return the regions of interest as the arrays of the file that crosses."""
    words = _Words(
        lesion_ids=rois.lesion_ids,
        patient_ids=rois.patient_ids,
        image_to_input=rois.image_to_input,
        parts=parts,
        synthetic=rois.synthetic,
    )
    arrays: dict[str, Array] = {name: getattr(rois, name) for name in _ARRAYS}
    arrays["has_fine"] = rois.has_fine.astype(np.uint8)
    arrays["words"] = np.frombuffer(msgspec.json.encode(words), dtype=np.uint8)
    return arrays


def unpack(path: Path, config: TrainingConfig, sha256: str) -> tuple[RoiSet, np.ndarray[Any, np.dtype[np.str_]]]:
    """The regions of interest and their parts; BadFileError where they are not what was sent."""
    arrays = _verified(path, sha256)
    words = msgspec.json.decode(arrays["words"].tobytes(), type=_Words)
    rois = RoiSet(
        transform=config.transform,
        class_names=config.class_names,
        pixels=arrays["pixels"],
        lesion=arrays["lesion"],
        fine=arrays["fine"],
        has_fine=arrays["has_fine"].astype(np.bool_),
        label=arrays["label"],
        malignant=arrays["malignant"],
        lesion_ids=words.lesion_ids,
        patient_ids=words.patient_ids,
        finding_ids=("",) * len(words.lesion_ids),
        sources=("",) * len(words.lesion_ids),
        image_to_input=words.image_to_input,
        synthetic=words.synthetic,
    )
    return rois, np.array([part.value for part in words.parts])


def _verified(path: Path, sha256: str) -> dict[str, Array]:
    try:
        arrays, _ = read_arrays(path)
    except ArrayLostError as error:
        raise BadFileError(
            message("The regions of interest arrived incomplete; resume the run to send them again.")
        ) from error
    if arrays_sha256(arrays) != sha256 or not arrays.keys() >= {*_ARRAYS, "words"}:
        raise BadFileError(message("The regions of interest are not those that were sent; resume the run."))
    return arrays


def folder_of(text: str) -> Path:
    """Return the folder of a run on this machine; relative to the home folder."""
    return Path.home() / Path(text).expanduser()


def take(folder: Path, sha256: str, source: IO[bytes], sink: IO[bytes]) -> None:
    """Receive what is to be trained on, where it is not here yet. BadFileError where it came damaged."""
    target = folder / PACK
    try:
        _verified(target, sha256)
        sink.write(ssh.KEPT)
        sink.flush()
        return
    except BadFileError:
        sink.write(ssh.WANTED)
        sink.flush()
    make_folder(folder)
    folder.chmod(0o700)
    ssh.receive(source, target, lambda path: _verified(path, sha256))


def give(folder: Path, sink: IO[bytes]) -> None:
    """Write the results of the run: the list with sizes and hashes, a line, and the files one after another."""
    files = ssh.results_in(folder)
    sink.write(msgspec.json.encode(files) + b"\n")
    for file in files:
        with (folder / file.name).open("rb") as source:
            shutil.copyfileobj(source, sink)
    sink.flush()


def drop(folder: Path) -> None:
    """Delete the run here, once its results were fetched. TrainingError where the folder holds no sent run."""
    if not (folder / PACK).is_file():
        raise TrainingError(
            message("{folder} holds no run that was sent here; nothing was deleted.", folder=folder)
        )
    shutil.rmtree(folder)


def train_sent_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Train what lies in a folder of this machine, which no other job may use meanwhile."""
    request = msgspec.convert(arguments, SentRequest)
    folder = folder_of(request.folder)
    if not stop_there(folder, cancelled):
        raise TrainingError(
            message(
                "The run still works there, since a connection that broke, and did not stop within a minute; "
                "resume it later."
            )
        )
    forget(folder)
    held = hold(folder)

    def stopped() -> bool:
        return cancelled() or (folder / STOP).exists()

    try:
        with held_device(request.config, emit=emit, cancelled=stopped):
            return _train(request, folder, emit, stopped)
    finally:
        held.close()


def stop_there(folder: Path, cancelled: IsCancelled = never) -> bool:
    """Ask the job that works in this folder to stop, and wait for its end; False if it went on for a minute."""
    deadline = time.monotonic() + _STOP_S
    while is_alive(folder):
        ask_to_stop(folder)
        if time.monotonic() > deadline or cancelled():
            return False
        time.sleep(_POLL_S)
    return True


def stop_all(place: Path) -> list[str]:
    """Stop every run that works below this folder of the machine; the names of the folders that still do."""
    alive = [folder for folder in sorted(place.iterdir()) if is_alive(folder)] if place.is_dir() else []
    for folder in alive:
        ask_to_stop(folder)
    return [folder.name for folder in alive if not stop_there(folder)]


def begin(folder: Path, source: IO[bytes]) -> None:
    """Begin the job that ``source`` holds in this folder, in a process that needs no connection.

    Raises: TrainingError if another one does not end there.
    """
    request = msgspec.json.decode(source.readline(), type=JobRequest)
    if not stop_there(folder):
        raise TrainingError(
            message("The run still works there, since a connection that broke; try again in a minute.")
        )
    launch(request, folder, log=folder / LOG)


def follow(folder: Path, source: IO[bytes], sink: BinaryIO) -> None:
    """Write the events of the job in this folder to ``sink``, to its end or to that of ``source``."""
    left = threading.Event()

    def watch() -> None:
        while source.read(1):
            pass
        left.set()

    threading.Thread(target=watch, daemon=True).start()
    follow_job(folder, emit=EventWriter(sink), left=left.is_set, log=folder / LOG)


def train_packed_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Train from files alone in a folder that this process holds already: the job of a node."""
    request = msgspec.convert(arguments, SentRequest)
    folder = folder_of(request.folder)
    if job_number():  # Slurm chose the devices
        return _train(request, folder, emit, cancelled)
    with held_device(request.config, emit=emit, cancelled=cancelled):
        return _train(request, folder, emit, cancelled)


def _train(request: SentRequest, folder: Path, emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    # torch is not loaded to pass files on
    from core.tasks.runs.projection_writer import PicturesOfProjection
    from core.training.run_inputs import RunStart
    from core.training.trainer import train

    if request.code_version != code_version():
        text = message(
            "The program there is {there}, here {here}.",
            there=code_version(),
            here=request.code_version,
        )
        emit(Message(level="warning", text=text))
    rois, parts = unpack(Path(request.pack) if request.pack else folder / PACK, request.config, request.sha256)
    if request.parts:
        parts = np.array([part.value for part in request.parts])
    told = PicturesOfProjection(folder, request.config, emit).keep
    result = train(
        rois,
        parts,
        request.config,
        folder,
        emit=emit,
        cancelled=cancelled,
        projected=told,
        start=RunStart(forgotten=request.forgotten),
    )
    return {"record": msgspec.to_builtins(result.record)}
