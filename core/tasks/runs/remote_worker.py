"""Training what another machine sent: the side of ``train --on HOST`` that runs there.

It gets the regions of interest, their masks, classes and parts under the study's random identifiers, and the
configuration: no name, no pseudonym, no source and no whole mammogram. It keeps them beside the run's state until
the results were fetched.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np

from core.data.roi_set import RoiSet
from core.domain.errors import ArrayLostError, BadFileError, TrainingError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.geometry import Affine
from core.domain.vocabulary import Part
from core.jobs import ssh
from core.jobs.child import hold
from core.jobs.detached import is_alive
from core.platform.atomic import make_folder
from core.platform.version import code_version
from core.store.hdf5 import Array, arrays_sha256, read_arrays, write_arrays
from core.training.config import TrainingConfig
from core.training.forgotten_patches import ForgottenPatch

PACK = "sent.h5"
_ARRAYS = ("pixels", "lesion", "fine", "has_fine", "label", "malignant")


class SentRequest(msgspec.Struct, frozen=True, kw_only=True):
    folder: str
    """There; relative to the home folder."""
    config: TrainingConfig
    sha256: str
    """The SHA-256 of the file that was sent."""
    code_version: str
    forgotten: tuple[ForgottenPatch, ...] = ()


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    lesion_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    """Random ones of the study, not its pseudonyms."""
    image_to_input: tuple[Affine, ...]
    parts: tuple[Part, ...]
    synthetic: bool


def pack(rois: RoiSet, parts: np.ndarray[Any, np.dtype[np.str_]], path: Path) -> str:
    """Write what crosses into one file; its hash."""
    words = _Words(
        lesion_ids=rois.lesion_ids, patient_ids=rois.patient_ids, image_to_input=rois.image_to_input,
        parts=tuple(Part(part) for part in parts), synthetic=rois.synthetic,
    )  # fmt: skip
    arrays: dict[str, Array] = {name: getattr(rois, name) for name in _ARRAYS}
    arrays["has_fine"] = rois.has_fine.astype(np.uint8)
    arrays["words"] = np.frombuffer(msgspec.json.encode(words), dtype=np.uint8)
    sha256 = arrays_sha256(arrays)
    write_arrays(path, arrays, sha256=sha256)
    return sha256


def unpack(path: Path, config: TrainingConfig, sha256: str) -> tuple[RoiSet, np.ndarray[Any, np.dtype[np.str_]]]:
    """The regions of interest and their parts; BadFileError where they are not what was sent."""
    arrays = _verified(path, sha256)
    words = msgspec.json.decode(arrays["words"].tobytes(), type=_Words)
    rois = RoiSet(
        transform=config.transform, class_names=config.class_names,
        pixels=arrays["pixels"], lesion=arrays["lesion"], fine=arrays["fine"],
        has_fine=arrays["has_fine"].astype(np.bool_), label=arrays["label"], malignant=arrays["malignant"],
        lesion_ids=words.lesion_ids, patient_ids=words.patient_ids, finding_ids=("",) * len(words.lesion_ids),
        sources=("",) * len(words.lesion_ids), image_to_input=words.image_to_input, synthetic=words.synthetic,
    )  # fmt: skip
    return rois, np.array([part.value for part in words.parts])


def _verified(path: Path, sha256: str) -> dict[str, Array]:
    try:
        arrays, _ = read_arrays(path)
    except ArrayLostError as error:
        raise BadFileError(
            "The regions of interest arrived incomplete; resume the run to send them again."
        ) from error
    if arrays_sha256(arrays) != sha256 or not arrays.keys() >= {*_ARRAYS, "words"}:
        raise BadFileError("The regions of interest are not those that were sent; resume the run.")
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
        raise TrainingError(f"{folder} holds no run that was sent here; nothing was deleted.")
    shutil.rmtree(folder)


def train_sent_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    # torch is not loaded to pass files on
    from core.tasks.runs.projection_writer import PicturesOfProjection
    from core.training.trainer import train

    request = msgspec.convert(arguments, SentRequest)
    folder = folder_of(request.folder)
    if is_alive(folder):
        raise TrainingError(
            "The run is still active there after a broken connection; wait a minute until it has stopped, and "
            "resume it then."
        )
    if request.code_version != code_version():
        text = f"The program there is {code_version()}, here {request.code_version}."
        emit(Message(level="warning", text=text))
    rois, parts = unpack(folder / PACK, request.config, request.sha256)
    held = hold(folder)
    try:
        told = PicturesOfProjection(folder, request.config, emit).keep
        result = train(
            rois, parts, request.config, folder, emit=emit, cancelled=cancelled, projected=told,
            forgotten=request.forgotten,
        )  # fmt: skip
    finally:
        held.close()
    return {"record": msgspec.to_builtins(result.record)}
