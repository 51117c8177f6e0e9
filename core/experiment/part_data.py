"""The regions of interest of an experiment as files, so that a job of a part never opens the study's database.

A file holds one set of regions, and is shared by all folds that train on the same lesions. It lies in the folder
of the experiment, which is kept as the study is, and is deleted when every part is trained.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from core.data.roi_set import InputTransform, RoiSet
from core.domain.errors import ArrayLostError, BadFileError
from core.domain.geometry import Affine
from core.domain.messages import message
from core.experiment.parts import Data
from core.platform.atomic import make_folder
from core.store.hdf5 import Array, arrays_sha256, read_arrays, write_arrays

FOLDER = "data"
_ARRAYS = ("pixels", "lesion", "fine", "has_fine", "label", "malignant")
_WORDS = "words"


class _RoiWords(msgspec.Struct, frozen=True, kw_only=True):
    """Parts of a set of regions that are not arrays."""

    transform: InputTransform
    class_names: tuple[str, ...]
    lesion_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    finding_ids: tuple[str, ...]
    sources: tuple[str, ...]
    image_to_input: tuple[Affine, ...]
    synthetic: bool


class DataFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one fold, by the SHA-256 of its files."""

    folder: str
    rois: str
    drawn: str
    """Regions with random centre and scale; "": none."""
    parts: tuple[str, ...]
    fold: int


def write_data(out: Path, data: Data) -> DataFiles:
    """Write what the jobs of this fold need, where it is not there yet."""
    folder = (out / FOLDER).absolute()
    make_folder(folder)
    return DataFiles(
        folder=str(folder),
        rois=_write(folder, data.rois),
        drawn="" if data.drawn is None else _write(folder, data.drawn),
        parts=tuple(str(part) for part in data.parts),
        fold=data.fold,
    )


def read_data(files: DataFiles) -> Data:
    """Raises: BadFileError if a file is missing or not the one that was written."""
    folder = Path(files.folder)
    drawn = _read(folder, files.drawn) if files.drawn else None
    return Data.of(_read(folder, files.rois), np.array(files.parts), files.fold, drawn)


def drop_data(out: Path) -> None:
    """Delete the files, once every part is trained."""
    for path in (out / FOLDER).glob("*.h5"):
        path.unlink(missing_ok=True)


def _write(folder: Path, rois: RoiSet) -> str:
    words = _RoiWords(
        transform=rois.transform,
        class_names=rois.class_names,
        lesion_ids=rois.lesion_ids,
        patient_ids=rois.patient_ids,
        finding_ids=rois.finding_ids,
        sources=rois.sources,
        image_to_input=rois.image_to_input,
        synthetic=rois.synthetic,
    )
    arrays: dict[str, Array] = {name: getattr(rois, name) for name in _ARRAYS}
    arrays["has_fine"] = rois.has_fine.astype(np.uint8)
    arrays[_WORDS] = np.frombuffer(msgspec.json.encode(words), dtype=np.uint8)
    sha256 = arrays_sha256(arrays)
    path = folder / f"{sha256}.h5"
    if not path.is_file():
        write_arrays(path, arrays, sha256=sha256)
    return sha256


def _read(folder: Path, sha256: str) -> RoiSet:
    try:
        arrays, _ = read_arrays(folder / f"{sha256}.h5")
    except ArrayLostError as error:
        raise BadFileError(
            message("The regions of interest in {folder} are damaged; run the experiment again.", folder=folder)
        ) from error
    if arrays_sha256(arrays) != sha256 or not arrays.keys() >= {*_ARRAYS, _WORDS}:
        raise BadFileError(
            message("The regions of interest in {folder} are others than were written there.", folder=folder)
        )
    words = msgspec.json.decode(arrays[_WORDS].tobytes(), type=_RoiWords)
    return RoiSet(
        transform=words.transform,
        class_names=words.class_names,
        pixels=arrays["pixels"],
        lesion=arrays["lesion"],
        fine=arrays["fine"],
        has_fine=arrays["has_fine"].astype(np.bool_),
        label=arrays["label"],
        malignant=arrays["malignant"],
        lesion_ids=words.lesion_ids,
        patient_ids=words.patient_ids,
        finding_ids=words.finding_ids,
        sources=words.sources,
        image_to_input=words.image_to_input,
        synthetic=words.synthetic,
    )
