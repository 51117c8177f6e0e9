"""A model's predictions for the lesions of a study, one row each, and the tables they are written to and read
from."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.labels import Opinions
from core.domain.errors import StudyError
from core.domain.events import Emit, IsCancelled, Progress, never, silent
from core.domain.messages import message
from core.domain.spreadsheet import csv_document
from core.domain.study import Run
from core.model.accelerator import resolve_device
from core.platform.atomic import atomic_write
from core.store.file_names import read_names
from core.store.study import Study
from core.tasks.review.model_in_study import ModelInStudy, open_model
from core.tasks.runs.lifecycle import request_of
from core.training.abstention import largest_own_evidence
from core.training.inference import infer

NEAREST = 3
"""Prototypes that are listed with each lesion."""
_BATCH = 128
SUFFIXES = (".csv", ".json", ".parquet")


class NearPrototype(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    """From 1, as before any pruning."""
    class_name: str
    similarity: float
    """``s_j``, eq. 5 of the paper."""
    contribution: float
    """``W_cj s_j`` to the score of the predicted class."""


class LesionPrediction(msgspec.Struct, frozen=True, kw_only=True):
    """One lesion of a study with what a model computes for it."""

    file: str
    """The user's own file name; "" unless it was kept at import."""
    patient: str
    """Pseudonym."""
    patient_id: str
    """The study's own identifier of the patient."""
    lesion: str
    finding: str
    number: int
    """The number of the lesion in its image, from 1."""
    source: str
    laterality: str
    view: str
    part: str
    """The part of the run's split: training, validation, test; "" for patients that it does not name."""
    labelled: str
    """The class that training takes for true; "" without a label."""
    malignant: int | None
    """1, 0; None without a biopsy."""
    predicted: str = ""
    probabilities: dict[str, float] = {}
    malignancy: float | None = None
    """Probability; None if the model predicts none."""
    evidence: float | None = None
    """Largest similarity to a prototype of the predicted class."""
    evidence_threshold: float | None = None
    """Below it the program abstains; None if the model has none."""
    abstained: bool | None = None
    prototypes: tuple[NearPrototype, ...] = ()
    """The most similar ones, most similar first."""
    note: str = ""
    """Why there is no prediction."""


@dataclass(frozen=True, kw_only=True)
class PredictionList:
    run: str
    model_sha256: str
    class_names: tuple[str, ...]
    synthetic: bool
    rows: tuple[LesionPrediction, ...]
    """Every lesion in the order of entry; those that no region can be cut out for have a note instead of
    figures."""


def predict(study: Study, run: Run, *, emit: Emit = silent, cancelled: IsCancelled = never) -> PredictionList:
    """Apply the run's active model to every lesion of the study, labelled or not, whenever it was imported."""
    opened = open_model(study, run, device=resolve_device("auto"), emit=emit, cancelled=cancelled)
    described = _described(study, opened)
    done = 0
    for first in range(0, len(opened.rois), _BATCH):
        rows = np.arange(first, min(first + _BATCH, len(opened.rois)))
        for lesion, found in _computed(opened, rows, cancelled):
            described[lesion] = msgspec.structs.replace(described[lesion], **found)
        done += len(rows)
        emit(Progress(stage="predict", done=done, total=len(opened.rois)))
    return PredictionList(
        run=run.name,
        model_sha256=opened.model.sha256,
        class_names=opened.model.card.class_names,
        synthetic=opened.model.card.synthetic or opened.rois.synthetic,
        rows=tuple(described.values()),
    )


def _described(study: Study, opened: ModelInStudy) -> dict[str, LesionPrediction]:
    """Every lesion without figures, by id, in the order of entry."""
    images = {image.id: image for image in study.images.all()}
    patients = {patient.id: patient for patient in study.patients.all()}
    names = read_names(study.folder)
    opinions = Opinions(study, label=request_of(study, opened.run).config.label)
    parts = dict(zip(opened.rois.lesion_ids, opened.parts, strict=True))
    notes = {one.lesion_id: one.reason for one in opened.exclusions}
    found = {}
    for lesion in study.lesions.all():
        image, truth = images[lesion.image_id], opinions.of(lesion)
        patient = patients[image.patient_id]
        found[lesion.id] = LesionPrediction(
            file=names.get(image.id, ""),
            patient=patient.pseudonym,
            patient_id=patient.id,
            lesion=lesion.id,
            finding=lesion.finding_id,
            number=lesion.number,
            source=patient.source,
            laterality=image.laterality.value if image.laterality else "",
            view=image.view.value if image.view else "",
            part=parts.get(lesion.id, ""),
            labelled=truth.word or "",
            malignant=None if truth.malignant < 0 else truth.malignant,
            note=notes.get(lesion.id, ""),
        )
    return found


def _computed(
    opened: ModelInStudy, rows: NDArray[np.int64], cancelled: IsCancelled
) -> list[tuple[str, dict[str, Any]]]:
    """The figures of these ROIs, by lesion: fields of ``LesionPrediction``."""
    card, network = opened.model.card, opened.model.network
    rois = opened.rois.rows(rows)
    out = infer(network, rois, cancelled=cancelled)
    scores, logits = out.scores.astype(np.float64), out.logits.astype(np.float64)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = raised / raised.sum(axis=1, keepdims=True)
    prototype_class = np.asarray(card.prototype_class, dtype=np.int64)
    evidence = largest_own_evidence(out.scores, out.logits, prototype_class)
    weights = network.last.weight.detach().cpu().numpy().astype(np.float64)
    numbers = [p.index + 1 for p in card.prototypes] or list(range(1, len(prototype_class) + 1))
    threshold = card.precedent_threshold
    found = []
    for i, lesion in enumerate(rois.lesion_ids):
        k = int(logits[i].argmax())
        near = np.argsort(-scores[i], kind="stable")[:NEAREST]
        malignancy = None if card.malignancy_ridge is None else float(1 / (1 + np.exp(-float(out.malignancy[i]))))
        values = {
            "predicted": card.class_names[k],
            "probabilities": dict(zip(card.class_names, map(float, probabilities[i]), strict=True)),
            "malignancy": malignancy,
            "evidence": float(evidence[i]),
            "evidence_threshold": threshold,
            "abstained": threshold is not None and bool(evidence[i] < threshold),
            "prototypes": tuple(
                NearPrototype(
                    number=numbers[j],
                    class_name=card.class_names[prototype_class[j]],
                    similarity=float(scores[i, j]),
                    contribution=float(weights[k, j] * scores[i, j]),
                )
                for j in near
            ),
        }
        found.append((lesion, values))
    return found


Cell = str | int | float | bool | None


def table_of(found: PredictionList) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Columns and rows, flat: ``p_CLASS`` for each class, ``prototype_1`` to ``prototype_3`` with figures."""
    plain = (
        "file",
        "patient",
        "patient_id",
        "lesion",
        "finding",
        "number",
        "source",
        "laterality",
        "view",
        "part",
        "labelled",
        "malignant",
        "predicted",
    )
    after = ("malignancy", "evidence", "evidence_threshold", "abstained")
    near = [
        f"prototype_{n}{what}"
        for n in range(1, NEAREST + 1)
        for what in ("", "_class", "_similarity", "_contribution")
    ]
    columns = (*plain, *(f"p_{name}" for name in found.class_names), *after, *near, "synthetic", "note")
    rows = []
    for row in found.rows:
        cells: list[Cell] = [getattr(row, name) for name in plain]
        cells += [row.probabilities.get(name) for name in found.class_names]
        cells += [getattr(row, name) for name in after]
        for n in range(NEAREST):
            one = row.prototypes[n] if n < len(row.prototypes) else None
            cells += [None] * 4 if one is None else [one.number, one.class_name, one.similarity, one.contribution]
        rows.append((*cells, found.synthetic, row.note))
    return columns, rows


def document_of(found: PredictionList) -> dict[str, Any]:
    """The predictions as plain values, for JSON."""
    return {
        "run": found.run,
        "model_sha256": found.model_sha256,
        "class_names": list(found.class_names),
        "synthetic": found.synthetic,
        "predictions": msgspec.to_builtins(found.rows),
    }


def csv_of(found: PredictionList) -> bytes:
    columns, rows = table_of(found)
    return csv_document(columns, rows)


def check_format(path: Path) -> None:
    """StudyError if predictions cannot be written under this name: another ending, or Parquet without pyarrow."""
    if path.suffix.lower() not in SUFFIXES:
        raise StudyError(
            message(
                "{file} ends in none of {suffixes}; choose one of these formats.",
                file=path.name,
                suffixes=", ".join(SUFFIXES),
            )
        )
    if path.suffix.lower() == ".parquet":
        from importlib.util import find_spec

        if find_spec("pyarrow") is None:
            raise StudyError(
                message(
                    "Parquet needs the package pyarrow, which is not installed; install it, or write .csv or "
                    ".json."
                )
            )


def write_predictions(path: Path, found: PredictionList) -> None:
    """Write the table in the format of the file's ending: .csv, .json or .parquet."""
    check_format(path)
    match path.suffix.lower():
        case ".json":
            content = msgspec.json.format(msgspec.json.encode(document_of(found)), indent=1)
        case ".parquet":
            content = _parquet(*table_of(found))
        case _:
            content = csv_of(found)
    atomic_write(path, content)


def _parquet(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    from importlib import import_module

    arrow: Any = import_module("pyarrow")
    parquet: Any = import_module("pyarrow.parquet")
    table = arrow.table({name: [row[c] for row in rows] for c, name in enumerate(columns)})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()
