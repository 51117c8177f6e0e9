"""Data of a patient in runs beside their models: ids, outlines and labels, pictures of prototypes.

Ids of a study are computed from pixels, so that whoever has an image can find out by its id whether it was used.
They are replaced by random ones, which keep the counts of a run as they were; outlines, labels and pictures go.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from core.data.data_snapshot import DataSnapshot, LesionSnapshot
from core.domain.errors import MarginaliaError, ModelError
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Lesion
from core.model.card import PICTURES
from core.model.checkpoint import load_model
from core.platform.atomic import atomic_write
from core.store.forgetting import FilesLeftError
from core.store.study import Study
from core.tasks.review.prototypes import TABLE
from core.tasks.runs import projection_file
from core.tasks.runs.lifecycle import MODEL, REQUEST
from core.tasks.runs.remote_worker import PACK
from core.tasks.runs.run_data import FILE, read_snapshot
from core.tasks.runs.train_job import TrainRequest
from core.training.similarity_table import load_table, save_table

Keep = Callable[..., None]
"""Function that gets paths whose contents are put back where something fails later."""


@contextlib.contextmanager
def put_back_on_failure() -> Iterator[Keep]:
    """Inside, files may be changed or deleted; after an error all that were given to ``keep`` are as before."""
    before: dict[Path, bytes] = {}

    def keep(*paths: Path) -> None:
        before.update({path: path.read_bytes() for path in paths if path.is_file() and path not in before})

    try:
        yield keep
    except FilesLeftError:
        raise  # the patient is out of the study: nothing may come back
    except BaseException:
        for path, content in before.items():
            # where the disk fails for good, the error of the first failure says so
            with contextlib.suppress(OSError, MarginaliaError):
                atomic_write(path, content)
        raise


def erase_from_runs(study: Study, patient_id: str, keep: Keep) -> None:
    """Take the patient out of the files of every run, archived ones too.

    Left are the rows of a table of similarities under random ids, and the model itself, whose prototypes name
    their source lesions: ``forget`` reports these.
    """
    lesions = {lesion.id for lesion in study.lesions.of_patient(patient_id)}
    other = _RandomIds()
    for run in study.runs.all(archived=True):
        folder = study.run_folder(run.id)
        keep(folder / REQUEST, folder / FILE, folder / TABLE, folder / projection_file.FILE, folder / PACK)
        _erase_request(folder / REQUEST, patient_id, lesions, other)
        _erase_snapshot(folder, patient_id, lesions, other)
        _erase_table(folder / TABLE, patient_id, lesions, other)
        # pictures of lesions, in the order of the prototypes; nothing says any more whose they are
        (folder / projection_file.FILE).unlink(missing_ok=True)
        (folder / PACK).unlink(missing_ok=True)
        _delete_pictures(folder, lesions, keep)


class _RandomIds:
    """A random id in the place of each id, the same wherever it stands."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, own: str) -> str:
        return self._given.setdefault(own, str(uuid.uuid4()))


def _erase_request(path: Path, patient_id: str, lesions: set[str], other: _RandomIds) -> None:
    try:
        request = msgspec.json.decode(path.read_bytes(), type=TrainRequest)
    except (OSError, msgspec.MsgspecError):
        return  # lost or damaged: the run cannot be used either
    known = patient_id in request.parts
    if not known and not any(one.lesion_id in lesions for one in request.forgotten):
        return
    parts = {other.of(one) if one == patient_id else one: part for one, part in request.parts.items()}
    forgotten = tuple(
        msgspec.structs.replace(one, lesion_id=other.of(one.lesion_id)) if one.lesion_id in lesions else one
        for one in request.forgotten
    )
    steered = tuple(
        msgspec.structs.replace(one, lesion_id=other.of(one.lesion_id)) if one.lesion_id in lesions else one
        for one in request.steered
    )
    erased = msgspec.structs.replace(request, parts=parts, forgotten=forgotten, steered=steered)
    atomic_write(path, msgspec.json.format(msgspec.json.encode(erased)))


def _erase_snapshot(folder: Path, patient_id: str, lesions: set[str], other: _RandomIds) -> None:
    try:
        snapshot = read_snapshot(folder)
    except ModelError:
        (folder / FILE).unlink(missing_ok=True)  # unreadable for us, but perhaps not for everybody
        return
    if snapshot is None:
        return
    erased = DataSnapshot(
        lesions=tuple(_emptied(one, other) if one.patient_id == patient_id else one for one in snapshot.lesions),
        exclusions=tuple(one for one in snapshot.exclusions if one.lesion_id not in lesions),
    )
    atomic_write(folder / FILE, msgspec.json.encode(erased))


def _emptied(one: LesionSnapshot, other: _RandomIds) -> LesionSnapshot:
    """A lesion that is in no study: a run that began with it cannot go on, and says why."""
    lesion = Lesion(
        id=other.of(one.lesion.id),
        finding_id=other.of(one.lesion.finding_id),
        image_id=other.of(one.lesion.image_id),
        outline=Rectangle(box=Box(x0=0, y0=0, x1=1, y1=1)),
    )
    return LesionSnapshot(
        lesion=lesion, patient_id=other.of(one.patient_id), source=one.source, word=None, malignant=-1
    )


def _erase_table(path: Path, patient_id: str, lesions: set[str], other: _RandomIds) -> None:
    if not path.is_file():
        return
    try:
        table = load_table(path)
    except ModelError:
        path.unlink(missing_ok=True)
        return
    if patient_id not in table.patient_ids:
        return
    patients = tuple(other.of(one) if one == patient_id else one for one in table.patient_ids)
    own = tuple(other.of(one) if one in lesions else one for one in table.lesion_ids)
    save_table(path, replace(table, patient_ids=patients, lesion_ids=own))


def _delete_pictures(folder: Path, lesions: set[str], keep: Keep) -> None:
    """The pictures that came with a shared model, of prototypes whose lesion is the patient's."""
    if not (folder / PICTURES).is_dir():
        return
    try:
        prototypes = load_model(folder / MODEL).card.prototypes
    except ModelError:
        prototypes = ()
    for one in prototypes:
        if one.lesion_id in lesions:
            path = folder / PICTURES / f"prototype-{one.index + 1}.png"
            keep(path)
            path.unlink(missing_ok=True)
