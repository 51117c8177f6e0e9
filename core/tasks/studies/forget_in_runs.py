"""Data of a patient in runs beside their models: ids, outlines and labels, pictures of prototypes.

Ids of a study are computed from pixels, so that whoever has an image can find out by its id whether it was used.
They are replaced by random ones, which keep the counts of a run as they were; outlines, labels and pictures go.
"""

from __future__ import annotations

import contextlib
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from core.data.data_snapshot import DataSnapshot, LesionSnapshot
from core.domain.errors import MarginaliaError, ModelError
from core.domain.geometry import Box
from core.domain.messages import encode_sentence
from core.domain.shapes import Rectangle
from core.domain.study import Lesion
from core.model.card import PICTURES
from core.model.checkpoint import CARD_NAME, load_model, rename_sources
from core.model.tensor_file import load_state, save_state
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
from core.training.state import STATE_NAME

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

    Left are the rows of a table of similarities and the prototypes of the model, both under random ids: ``forget``
    reports these.
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
        # after what still asks the card for the sources of its prototypes
        for card in sorted(folder.rglob(CARD_NAME)):
            keep(card)
            with contextlib.suppress(ModelError):
                rename_sources(card.parent, lesions, other.of)
        for state in sorted(folder.rglob(STATE_NAME)):
            _erase_state(state, {patient_id, *lesions}, other, keep)


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
    atomic_write(folder / FILE, msgspec.json.encode(erased, enc_hook=encode_sentence))


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


def _erase_state(path: Path, ids: set[str], other: _RandomIds, keep: Keep) -> None:
    """The saved state of a training: its record of the prototypes' sources."""
    try:
        tensors, meta = load_state(path)
    except ModelError:
        return  # a run without it begins again, and its data are gone from the request
    erased = _with_other_ids(meta, ids, other)
    if erased != meta:
        keep(path)
        save_state(path, tensors, erased)


def _with_other_ids(value: Any, ids: set[str], other: _RandomIds) -> Any:
    """JSON with random ids in the place of these, and random hashes beside them."""
    if isinstance(value, str):
        return other.of(value) if value in ids else value
    if isinstance(value, list):
        return [_with_other_ids(one, ids, other) for one in value]
    if not isinstance(value, dict):
        return value
    erased = {_with_other_ids(key, ids, other): _with_other_ids(one, ids, other) for key, one in value.items()}
    if value.get("lesion_id") in ids and "roi_sha256" in value:
        erased["roi_sha256"] = secrets.token_hex(32)
    return erased


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
