"""A model for others, as one file: weights, card, configuration, metrics; with or without pictures. And back."""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import RoiSet
from core.data.training_set import build_roi_set
from core.domain.errors import BadFileError, ModelError, StudyError
from core.domain.events import Emit, IsCancelled, never, silent
from core.domain.messages import message
from core.domain.study import ModelRevision, Run, RunStatus, Split
from core.domain.vocabulary import Part
from core.exchange.models.archive import (
    CONFIG,
    METRICS,
    README,
    read_model_archive,
    write_model_archive,
)
from core.exchange.models.contents import SharedModel, SharedPrototype, readme
from core.explain.inversion import measure
from core.imaging.worker import DecodeWorker
from core.jobs.run_records import check_run_name
from core.model.card import CONTENTS, PICTURES, ModelCard
from core.model.checkpoint import LoadedModel, load_model, save_model
from core.model.memorisation import Memorisation, closest_picture
from core.platform.atomic import atomic_write, make_folder, storage_error
from core.store.anchor import NOTE, anchor_text
from core.store.study import Study
from core.tasks.review.evaluate_runs import evaluate_runs
from core.tasks.review.model_in_study import ModelInStudy, open_model
from core.tasks.review.prototypes import TABLE
from core.tasks.runs.lifecycle import MODEL, REQUEST, RUNS, now_utc, request_of
from core.tasks.runs.run_data import roi_request
from core.tasks.runs.train_job import TrainRequest, rows_of_parts
from core.training.config import TrainingConfig
from core.training.inference import infer
from core.training.similarity_table import make_table, save_table

DRAWS = 1_000
"""Bootstrap resamples of the intervals that go with a model."""


class ImportedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was taken into a study."""

    run: str
    run_id: str
    prototypes: int
    linked: int
    """Prototypes whose source ROI, known by its content, is in this study."""
    same_pseudonym: int
    """The number of those prototypes whose patient has the pseudonym that the sharing study gave."""
    pictures: bool
    synthetic: bool


def share_model(
    study: Study,
    run: Run,
    path: Path,
    *,
    with_pictures: bool = False,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> SharedModel:
    """Write the run's active model as one file, after holding every array against every training ROI.

    ModelError, and nothing is written, where an array correlates above 0.9 with a training crop; StudyError where
    the file exists.
    """
    if path.exists():
        raise StudyError(message("{path} exists already; choose another name for the model.", path=path))
    opened = open_model(study, run, emit=emit, cancelled=cancelled)
    training = _training_rois(opened)
    closest = _closest_picture(opened, training)
    patches = opened.patches(cancelled) if with_pictures else ()
    if with_pictures and not patches:
        raise ModelError(
            message(
                "The model of run {run} was shared without its pictures, so it cannot be exported with them.",
                run=run.name,
            )
        )
    card = _shared_card(opened.model.card, with_pictures, anchor_text(study.info.id, study.audit.head()))
    files: dict[str, bytes] = {}
    make_folder(path.parent)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".part", dir=path.parent) as making:
            sha256 = save_model(Path(making), opened.model.network, card)
            files |= {one.name: one.read_bytes() for one in Path(making).iterdir()}
    except OSError as error:
        raise storage_error(error, path) or error from error
    shared = SharedModel(
        run=run.name,
        model_sha256=sha256,
        synthetic=card.synthetic,
        pictures=with_pictures,
        closest=closest,
        training_crops=len(training),
        latent_prototypes=len(card.prototypes),
        source_lesions=tuple(sorted({prototype.lesion_id for prototype in card.prototypes})),
        training_patients=len(set(training.patient_ids)),
        prototypes=_sources(study, card),
        inversion=measure(opened.model.network, card.prototypes, opened.rois, cancelled=cancelled),
    )
    for patch in patches:
        files[f"{PICTURES}/prototype-{patch.index + 1}.png"] = _png(patch.source)
    files[CONTENTS] = msgspec.json.format(msgspec.json.encode(shared), indent=1)
    files[CONFIG] = msgspec.json.format(msgspec.json.encode(request_of(study, run).config), indent=1)
    files[METRICS] = _metrics(study, run, cancelled)
    files[README] = readme(shared, card).encode()
    write_model_archive(path, files)
    return shared


def _closest_picture(opened: ModelInStudy, training: RoiSet) -> Memorisation:
    """The array of the model that is most like a training ROI. ModelError if it is a picture of one."""
    tensors = {name: value.numpy() for name, value in opened.model.network.state_dict().items()}
    closest = closest_picture(tensors, np.asarray(training.central(training.pixels)))
    if closest.is_picture:
        raise ModelError(
            message(
                "The model of run {run} was not exported: {tensor} ({view}) is a picture of "
                "training lesion {lesion} (correlation {correlation:.2f}).",
                run=opened.run.name,
                tensor=closest.tensor,
                view=closest.view,
                lesion=training.lesion_ids[closest.crop],
                correlation=closest.correlation,
            )
        )
    return closest


def _training_rois(opened: ModelInStudy) -> RoiSet:
    """The ROIs that every array is compared with. ModelError if the model was trained on others."""
    training = opened.rows_of(Part.TRAINING)
    if len(training) == 0 or not opened.has_sources:
        raise ModelError(
            message(
                "The training images of run {run} are not in this study, so it cannot be shown that its "
                "weights hold no picture of them: pass on the file that it came from, or export it where it was "
                "trained.",
                run=opened.run.name,
            )
        )
    return training


def _shared_card(card: ModelCard, with_pictures: bool, anchor: str) -> ModelCard:
    words = "with the pictures of its prototypes" if with_pictures else "without pictures"
    return msgspec.structs.replace(
        card,
        contains_patient_images=with_pictures,
        notes={**card.notes, "shared": f"{words}; {CONTENTS} says what it holds", NOTE: anchor},
    )


def _sources(study: Study, card: ModelCard) -> tuple[SharedPrototype, ...]:
    pseudonyms = {patient.id: patient.pseudonym for patient in study.patients.all()}
    lesions = {lesion.id: lesion for lesion in study.lesions.all()}
    images = {image.id: image for image in study.images.all()}
    return tuple(
        SharedPrototype(
            number=one.index + 1,
            # a model that was imported has prototypes of lesions that are not here
            pseudonym=pseudonyms[images[lesions[one.lesion_id].image_id].patient_id]
            if one.lesion_id in lesions
            else "",
            lesion_id=one.lesion_id,
            roi_sha256=one.roi_sha256,
        )
        for one in card.prototypes
    )


def _metrics(study: Study, run: Run, cancelled: IsCancelled) -> bytes:
    """The test figures with their intervals, or why there are none."""
    try:
        reports = evaluate_runs(study, [run.name], draws=DRAWS, cancelled=cancelled)
    except StudyError as error:
        return msgspec.json.encode({"none": str(error)})
    return msgspec.json.format(msgspec.json.encode(reports), indent=1)


def _png(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def import_model(
    study: Study,
    path: Path,
    *,
    name: str = "",
    split: Split | None = None,
    emit: Emit = silent,
    cancelled: IsCancelled = never,
) -> ImportedModel:
    """Take a shared model into the study as a finished run.

    Prototypes are linked to lesions of this study whose ROI has the very content that they were taken from.
    ``split``: whose training part pruning refits the last layers on; without one every patient is a test patient
    and the model can be evaluated and explained, but not pruned. BadFileError or ModelError for a file that is no
    shared model; StudyError where the name is taken.
    """
    files = read_model_archive(path)
    shared = _decoded(path, files[CONTENTS], SharedModel)
    config = _decoded(path, files[CONFIG], TrainingConfig)
    name = name or shared.run
    check_run_name(name)
    if study.runs.find(name) is not None:
        raise StudyError(
            message("This study has a run named {name} already; give the model another name.", name=name)
        )
    identifier = uuid.uuid4().hex
    folder = study.folder / RUNS / identifier
    try:
        loaded = _unpacked(path, files, folder, config)
        parts = split.parts if split is not None else {p.id: Part.TEST for p in study.patients.all()}
        request = TrainRequest(study=str(study.folder), folder=str(folder), config=config, parts=parts)
        atomic_write(folder / REQUEST, msgspec.json.format(msgspec.json.encode(request)))
        built = build_roi_set(study, roi_request(config), emit=emit, cancelled=cancelled).rois
        rois, of_part = rows_of_parts(built, parts)
        scores = infer(loaded.network, rois, cancelled=cancelled).scores
        save_table(folder / TABLE, make_table(scores, rois, of_part))
        linked, same = _linked(study, folder, loaded, built, shared)
        _record(study, loaded.card, config, identifier, name, linked)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ImportedModel(
        run=name,
        run_id=identifier,
        prototypes=len(loaded.card.prototypes),
        linked=linked,
        same_pseudonym=same,
        pictures=shared.pictures,
        synthetic=shared.synthetic,
    )


def shared_model(path: Path) -> tuple[SharedModel, ModelCard]:
    """Return the contents of a shared model and its card; nothing is written.

    Raises: BadFileError or ModelError like ``import_model``."""
    files = read_model_archive(path)
    with tempfile.TemporaryDirectory(prefix="marginalia-model.") as name:
        for member, content in files.items():
            if member.startswith("model"):
                atomic_write(Path(name) / member, content)
        card = load_model(Path(name)).card
    return _decoded(path, files[CONTENTS], SharedModel), card


T = TypeVar("T")


def _decoded(path: Path, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadFileError(
            message("{file} is not a shared model: a part of it cannot be read.", file=path.name)
        ) from error


def _unpacked(path: Path, files: dict[str, bytes], folder: Path, config: TrainingConfig) -> LoadedModel:
    """The members in the run's folder: the model checked as any, pictures decoded in a child and held against the
    card, written anew."""
    make_folder(folder / MODEL)
    for member, content in files.items():
        if member.startswith("model"):
            atomic_write(folder / MODEL / member, content)
        elif not member.startswith(PICTURES):
            atomic_write(folder / member, content)
    loaded = load_model(folder / MODEL)
    if loaded.card.transform != config.transform or loaded.card.class_names != config.class_names:
        raise ModelError(
            message("{file} holds a model with a different configuration than it names.", file=path.name)
        )
    pictures = [name for name in files if name.startswith(PICTURES)]
    if pictures:
        make_folder(folder / PICTURES)
        known = {one.roi_sha256 for one in loaded.card.prototypes}
        with DecodeWorker() as decoder:
            for name in pictures:
                atomic_write(folder / name, files[name])
                pixels = decoder.read(folder / name).pixels
                if hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest() not in known:
                    raise BadFileError(
                        message("{file} holds a picture that none of its prototypes comes from.", file=path.name)
                    )
                atomic_write(folder / name, _png(pixels.astype(np.uint8)))
    return loaded


def _linked(study: Study, folder: Path, loaded: LoadedModel, rois: RoiSet, shared: SharedModel) -> tuple[int, int]:
    """Give prototypes the lesions of this study that have the very pixels of their source; how many, and of how
    many the patient has the pseudonym of the sharing study. Numbers start anew, as those of a model as trained."""
    by_content = {rois.roi_sha256(row): row for row in range(len(rois))}
    pseudonyms = {patient.id: patient.pseudonym for patient in study.patients.all()}
    given = {one.roi_sha256: one.pseudonym for one in shared.prototypes}
    prototypes, same, linked = [], 0, 0
    for index, one in enumerate(loaded.card.prototypes):
        row = by_content.get(one.roi_sha256)
        if row is not None:
            one = msgspec.structs.replace(one, lesion_id=rois.lesion_ids[row])
            linked += 1
            same += pseudonyms[rois.patient_ids[row]] == given.get(one.roi_sha256)
        prototypes.append(msgspec.structs.replace(one, index=index))
    card = msgspec.structs.replace(loaded.card, prototypes=tuple(prototypes))
    save_model(folder / MODEL, loaded.network, card)
    return linked, same


def _record(
    study: Study, card: ModelCard, config: TrainingConfig, identifier: str, name: str, linked: int
) -> None:
    run = Run(
        id=identifier,
        name=name,
        created_utc=now_utc(),
        status=RunStatus.FINISHED,
        config=msgspec.to_builtins(config),
        folder=f"{RUNS}/{identifier}",
        code_version=card.code_version,
        data_fingerprint=card.data_fingerprint,
        notes=f"Imported; {linked} of {len(card.prototypes)} prototypes have their lesion in this study.",
    )
    revision = ModelRevision(
        id=uuid.uuid4().hex,
        run_id=identifier,
        parent_id=None,
        prototype_indices=tuple(range(len(card.prototype_class))),
        reason="As imported",
        created_utc=now_utc(),
    )
    with study.batch():
        study.runs.add(run)
        study.models.add(revision)
