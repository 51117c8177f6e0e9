"""Files of a finished run: the model, its table, its history and the record of how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.data.automatic_band import with_automatic_bands
from core.data.roi_set import RoiSet
from core.domain.vocabulary import Part
from core.model.card import AUTOMATIC_BAND, LABELS, ModelCard
from core.model.checkpoint import save_model
from core.platform.atomic import atomic_write
from core.platform.version import code_version
from core.training.config import TrainingConfig
from core.training.machine import MachineChoice
from core.training.refit import MALIGNANCY_RIDGE
from core.training.similarity_table import SimilarityTable, save_table
from core.training.state import EpochRecord, RunState, save_history
from core.training.table_rows import run_table
from core.training.validation import Validation


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """run.json: how a model came about."""

    code_version: str
    torch_version: str
    data_fingerprint: str
    """Fingerprint of the ROIs and their parts."""
    device: str
    precision: str
    """Precision of the gradients of A1; everything else is float32."""
    machine: MachineChoice = MachineChoice()
    """Settings that the gradients were computed with, and what was timed to choose them."""
    threads: int
    images_at_once: int
    """Less than the batch where the memory did not suffice."""
    memory_halvings: int
    warm_start: str
    table_rows: str
    """Rows that the heads were fitted on: unaugmented or augmented."""
    table_count: int
    ridge: float
    ridge_cross_entropy: tuple[float, ...]
    """Held-out mean for each strength of the grid."""
    malignancy_used: int
    malignancy_left_out: int
    """Training lesions without a biopsy result."""
    best_epoch: int
    """The joint epoch whose projection is the model."""
    validation: dict[str, float | None]
    lesions: dict[str, int]
    """ROIs of each part that have a trained class."""
    patients: dict[str, int]
    seconds: dict[str, float]
    automatic_bands: int = 0
    """Training lesions with a band along their outline in place of a fine annotation."""
    forgotten: tuple[str, ...] = ()
    """Prototypes of earlier runs that were marked as not medically relevant and whose patches were left out of the
    start and the projection of prototypes."""
    steered: tuple[str, ...] = ()
    """Prototypes that a reader placed, and where; the others are those of the parent run."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunResult:
    folder: Path
    model_folder: Path
    card: ModelCard
    record: RunRecord
    history: tuple[EpochRecord, ...]


def warm_start_name(config: TrainingConfig) -> str:
    """Return the warm start in words, for reports that compare models; "" if the backbone came with its
    weights."""
    said = []
    if config.epochs.warm_start:
        level, part = config.warm_start[:5].rstrip("s"), " of the add-on" if config.frozen_backbone else ""
        said.append(f"{level}-level supervised{part}, {config.epochs.warm_start} epochs")
    if config.prototype_start == "kmeans":
        said.append("prototypes by k-means")
    return "; ".join(said)


def write_outcome(
    folder: Path,
    state: RunState,
    rois: RoiSet,
    parts: NDArray[np.str_],
    *,
    table: SimilarityTable,
    figures: Validation,
) -> RunResult:
    """Write model/, table.h5, history.json and run.json; writing them again changes nothing."""
    record = _record(state, rois, parts, table, figures)
    card = _card(state, rois, record, figures)
    save_model(folder / "model", state.network, card)
    save_table(folder / "table.h5", run_table(state.network, table, rois, parts))
    history = tuple(state.facts.history)
    save_history(folder, history)
    atomic_write(folder / "run.json", _pretty(record))
    return RunResult(folder=folder, model_folder=folder / "model", card=card, record=record, history=history)


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1)


def _record(
    state: RunState, rois: RoiSet, parts: NDArray[np.str_], table: SimilarityTable, figures: Validation
) -> RunRecord:
    facts, config = state.facts, state.facts.config
    chosen = {part.value: np.flatnonzero((parts == part.value) & (rois.label >= 0)) for part in Part}
    assert facts.ridge is not None and facts.best_epoch is not None
    return RunRecord(
        code_version=code_version(),
        torch_version=str(torch.__version__),
        data_fingerprint=facts.fingerprint,
        device=facts.device,
        precision=facts.machine.precision,
        machine=facts.machine,
        threads=torch.get_num_threads(),
        images_at_once=facts.at_once,
        memory_halvings=facts.halvings,
        warm_start=warm_start_name(config),
        table_rows=config.table_rows,
        table_count=len(table),
        ridge=facts.ridge,
        ridge_cross_entropy=facts.ridge_cross_entropy,
        malignancy_used=facts.malignancy_used,
        malignancy_left_out=facts.malignancy_left_out,
        best_epoch=facts.best_epoch,
        validation=figures.values(),
        lesions={part: len(rows) for part, rows in chosen.items()},
        patients={part: len({rois.patient_ids[row] for row in rows}) for part, rows in chosen.items()},
        seconds=facts.seconds,
        automatic_bands=_automatic_bands(config, rois.rows(chosen[Part.TRAINING.value])),
        forgotten=tuple(one.words for one in facts.forgotten),
        steered=facts.steered,
    )


def _automatic_bands(config: TrainingConfig, training: RoiSet) -> int:
    return int(with_automatic_bands(training)[1].sum()) if config.automatic_bands else 0


def _card(state: RunState, rois: RoiSet, record: RunRecord, figures: Validation) -> ModelCard:
    facts, config = state.facts, state.facts.config
    notes = {"preset": config.preset, "backbone_features": "float32", LABELS: config.labels.words}
    if facts.malignancy_used == 0:
        notes["malignancy"] = "undefined: the biopsied training lesions do not show both outcomes"
    if figures.precedent_threshold is None:
        notes["precedent"] = (
            "no threshold: trained without a validation part, so that it predicts for every lesion"
        )
    if record.automatic_bands:
        of = record.lesions[Part.TRAINING.value]
        notes[AUTOMATIC_BAND] = (
            f"along the outline of {record.automatic_bands} of {of} training lesions; not drawn"
        )
    if record.forgotten:
        notes["forgotten"] = "; ".join(record.forgotten)
    if record.steered:
        notes["steered"] = "; ".join(record.steered)
    return ModelCard(
        synthetic=rois.synthetic,
        method=config.method,
        label=config.label,
        class_names=config.class_names,
        prototype_class=tuple(state.network.prototype_class.tolist()),
        transform=config.transform,
        architecture=config.architecture,
        prototypes=facts.prototypes,
        ridge=facts.ridge,
        malignancy_ridge=MALIGNANCY_RIDGE if facts.malignancy_used else None,
        precedent_threshold=figures.precedent_threshold,
        warm_start=record.warm_start,
        seed=config.seed,
        code_version=record.code_version,
        data_fingerprint=facts.fingerprint,
        training_lesions=record.lesions[Part.TRAINING.value],
        training_patients=record.patients[Part.TRAINING.value],
        contains_patient_images=not rois.synthetic,
        notes=notes,
    )
