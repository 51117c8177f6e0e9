"""One part of the experiment: one model, one seed, one fold. Finished parts are kept and not repeated."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from core.baselines.checkpoint import LoadedClassifier, load_classifier
from core.baselines.config import ClassifierConfig
from core.baselines.judge import judge_classifier, judge_malignancy
from core.baselines.trainer import STATE as CLASSIFIER_STATE
from core.baselines.trainer import train_classifier
from core.data.roi_set import RoiSet
from core.domain.errors import ModelError, StudyError
from core.domain.events import Emit, IsCancelled, Message
from core.domain.messages import message
from core.domain.vocabulary import Part
from core.evaluation.judge import judge
from core.evaluation.localisation import Controls, controls_of
from core.evaluation.predictions import Predictions
from core.evaluation.saved import load_predictions, save_predictions
from core.experiment.features import kept_features, known_features
from core.experiment.plan import IAIA, MALIGNANCY, Trial
from core.experiment.same_machine import hand_to_part
from core.explain.gallery import analyse
from core.model.checkpoint import LoadedModel, load_model
from core.platform.atomic import atomic_write
from core.pruning.prune import prepare, prunable_state, prune
from core.pruning.revision import apply_revision, make_revision
from core.pruning.suggest import removable, suggest
from core.tasks.runs.held_device import held_card
from core.training.config import TrainingConfig
from core.training.fixed_draws import KnownFeatures
from core.training.request import data_fingerprint
from core.training.run_inputs import RunStart
from core.training.similarity_table import load_table
from core.training.state import STATE_NAME
from core.training.team import ALONE
from core.training.trainer import train

RECORD = "part.json"
Parts = NDArray[np.str_]


class PartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """part.json, written last: a part with one is finished."""

    key: str
    name: str
    seed: int
    fold: int
    config: dict[str, object]
    """The trial's, as JSON values."""
    data_fingerprint: str
    seconds: float
    """Seconds of the training alone."""
    threads: int
    device: str
    machine: str
    judged: dict[str, str]
    """Kind of predictions to the file beside this one."""
    pruned: tuple[int, ...] = ()
    """Prototypes (from 0) that the automatic suggestions took away, for the kind "pruned"."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Data:
    """The ROIs that every trial of one fold sees."""

    rois: RoiSet
    parts: Parts
    fold: int = 0
    fingerprint: str = ""
    drawn: RoiSet | None = None
    """The same lesions, in the same order, in ROIs with random centre and scale; None: not judged on such."""

    @staticmethod
    def of(rois: RoiSet, parts: Parts, fold: int = 0, drawn: RoiSet | None = None) -> Data:
        return Data(rois=rois, parts=parts, fold=fold, fingerprint=data_fingerprint(rois, parts), drawn=drawn)

    def rows_of(self, part: Part) -> NDArray[np.bool_]:
        return np.asarray((self.parts == part.value) & (self.rois.label >= 0))

    def of_part(self, part: Part) -> RoiSet:
        return self.rois.rows(self.rows_of(part))

    def controls(self) -> Controls:
        """Return controls of localisation for the test part, with the position-only map of this fold's
        training part."""
        drawn = self.drawn
        placed = None if drawn is None else drawn.rows(self.rows_of(Part.TRAINING))
        test = None if drawn is None else drawn.rows(self.rows_of(Part.TEST))
        return controls_of(self.of_part(Part.TRAINING), training_drawn=placed, drawn=test)


@dataclass(frozen=True, kw_only=True, eq=False)
class FinishedPart:
    """A finished part."""

    trial: Trial
    folder: Path
    record: PartRecord

    def predictions(self, kind: str) -> Predictions:
        return load_predictions(self.folder / self.record.judged[kind])

    def model(self) -> LoadedModel:
        return load_model(self.folder / "model")

    def classifier(self) -> LoadedClassifier:
        return load_classifier(self.folder)


def part_folder(out: Path, trial: Trial, seed: int, fold: int) -> Path:
    return out / "parts" / (f"{trial.key}-seed{seed}" + (f"-fold{fold}" if fold else ""))


def finished(folder: Path, trial: Trial, seed: int, data: Data) -> FinishedPart | None:
    """Return the part, where it is finished; StudyError where the folder holds a part of another experiment."""
    try:
        record = msgspec.json.decode((folder / RECORD).read_bytes(), type=PartRecord)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(
            message(
                "{path} is damaged: delete {folder} and run the experiment again.",
                path=folder / RECORD,
                folder=folder,
            )
        ) from error
    config = _as_json(trial.with_seed(seed))
    if record.config != config or record.data_fingerprint != data.fingerprint:
        raise StudyError(
            message(
                "{folder} holds a part of another experiment (its split, data or configuration differ): choose "
                "another --out, since models of different splits cannot be compared.",
                folder=folder,
            )
        )
    return FinishedPart(trial=trial, folder=folder, record=record)


def carry_out(
    out: Path, trial: Trial, seed: int, data: Data, *, emit: Emit, cancelled: IsCancelled
) -> FinishedPart:
    """Train (or go on with) the part, judge it on the test part, and mark it finished."""
    folder = part_folder(out, trial, seed, data.fold)
    done = finished(folder, trial, seed, data)
    if done is not None:
        return done
    where = f", fold {data.fold}" if data.fold else ""
    emit(
        Message(
            level="info",
            text=message("Training {trial}, seed {seed}{where}.", trial=trial.name, seed=seed, where=where),
        )
    )
    config = trial.with_seed(seed)
    device = config.base.device if isinstance(config, ClassifierConfig) else config.device
    with held_card(device, ALONE, emit=emit, cancelled=cancelled):
        return _carried_out(out, trial, seed, data, emit=emit, cancelled=cancelled)


def _carried_out(
    out: Path, trial: Trial, seed: int, data: Data, *, emit: Emit, cancelled: IsCancelled
) -> FinishedPart:
    folder, config = part_folder(out, trial, seed, data.fold), trial.with_seed(seed)
    hand_to_part(out, folder, config)
    rois, kept = data.rois, None
    if trial.fine_images is not None:
        rois = with_few_fine(rois, data.parts, trial.fine_images, seed)
    else:
        kept = kept_features(out, config, rois, emit=emit, cancelled=cancelled)
    known = known_features(out, config, kept, data.drawn, emit=emit, cancelled=cancelled)
    if isinstance(config, ClassifierConfig):
        made = train_classifier(rois, data.parts, config, folder, emit=emit, cancelled=cancelled, kept=kept)
        seconds, device = made.card.seconds, made.card.device
        found = _judge_classifier(made, trial, data, known, cancelled)
        pruned: tuple[int, ...] = ()
    else:
        result = train(rois, data.parts, config, folder, emit=emit, cancelled=cancelled, start=RunStart(kept=kept))
        seconds, device = sum(result.record.seconds.values()), result.record.device
        found, pruned = _judge_prototypes(folder, trial, data, config, known, cancelled)
    files = {kind: f"predictions-{number}.json" for number, kind in enumerate(found)}
    for kind, predictions in found.items():
        save_predictions(folder / files[kind], predictions)
    record = PartRecord(
        key=trial.key,
        name=trial.name,
        seed=seed,
        fold=data.fold,
        config=_as_json(config),
        data_fingerprint=data.fingerprint,
        seconds=seconds,
        threads=torch.get_num_threads(),
        device=device,
        machine=machine(),
        judged=files,
        pruned=pruned,
    )
    atomic_write(folder / RECORD, msgspec.json.format(msgspec.json.encode(record)))
    for state in (STATE_NAME, CLASSIFIER_STATE):  # as large as the model and needed only to go on
        (folder / state).unlink(missing_ok=True)
    return FinishedPart(trial=trial, folder=folder, record=record)


def _as_json(config: TrainingConfig | ClassifierConfig) -> dict[str, object]:
    """Convert to what a file returns: lists instead of tuples."""
    found: dict[str, object] = msgspec.json.decode(msgspec.json.encode(config))
    return found


def _judge_classifier(
    made: LoadedClassifier, trial: Trial, data: Data, known: KnownFeatures, cancelled: IsCancelled
) -> dict[str, Predictions]:
    test = data.of_part(Part.TEST)
    if trial.key == MALIGNANCY:
        return {"malignancy": judge_malignancy(made, test, name=trial.name, known=known, cancelled=cancelled)}
    found = judge_classifier(
        made, test, name=trial.name, controls=data.controls(), known=known, cancelled=cancelled
    )
    return dict(found.items())


def _judge_prototypes(
    folder: Path,
    trial: Trial,
    data: Data,
    config: TrainingConfig,
    known: KnownFeatures,
    cancelled: IsCancelled,
) -> tuple[dict[str, Predictions], tuple[int, ...]]:
    """Return predictions of the model as trained and, for IAIA-BL, as the automatic suggestions prune it."""
    model, test = load_model(folder / "model"), data.of_part(Part.TEST)
    controls = data.controls()
    found = {"model": judge(model, test, name=trial.name, controls=controls, known=known, cancelled=cancelled)}
    if trial.key != IAIA:
        return found, ()
    training = data.of_part(Part.TRAINING)
    early = known.of(training)
    features = None if early is None else early.features(model.network)
    gallery = analyse(model.network, model.card, training, features=features, cancelled=cancelled)
    state = prunable_state(model.network, model.card)
    remove = removable(suggest(model.card, gallery), state)
    if remove:
        table = prepare(load_table(folder / "table.h5"))
        outcome = prune(table, state, set(remove), malignancy_fit=config.malignancy_fit)
        revision = make_revision(outcome, model, run_id=trial.key, parent=None, reason="automatic suggestions")
        model = apply_revision(model, revision)
    name = f"{trial.name}, pruned"
    found["pruned"] = judge(model, test, name=name, controls=controls, known=known, cancelled=cancelled)
    return found, remove


def with_few_fine(rois: RoiSet, parts: Parts, count: int, seed: int) -> RoiSet:
    """Return the ROIs with the fine annotations of ``count`` training ROIs only, as many of each class as can
    be.

    Fewer where there are not so many. Validation and test ROIs keep theirs, which only judge.
    """
    training = np.flatnonzero((parts == Part.TRAINING.value) & rois.has_fine & (rois.label >= 0))
    order = np.random.default_rng(seed).permutation(training)
    rank = np.zeros(len(order), dtype=np.int64)
    for c in range(len(rois.class_names)):
        mine = rois.label[order] == c
        rank[mine] = np.arange(int(mine.sum()))
    kept = order[np.argsort(rank, kind="stable")][:count]
    dropped = np.setdiff1d(training, kept)
    fine, has_fine = rois.fine.copy(), rois.has_fine.copy()
    fine[dropped], has_fine[dropped] = 0, False
    return replace(rois, fine=fine, has_fine=has_fine)


def machine() -> str:
    """Return the hardware in words, for the report."""
    name = platform.processor() or platform.machine()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{platform.system()}, {name}, {torch.get_num_threads()} threads of torch, {device}"


def check_data(data: Data, *, needs_masks: bool, folds: bool = False) -> None:
    """Raise StudyError for what the experiment cannot be done with: a part without a class, one patient, no
    masks.

    The test and validation parts of a fold may lack a class: their predictions are pooled over the folds.
    """
    for part in (Part.TRAINING,) if folds else tuple(Part):
        rois = data.of_part(part)
        present = set(rois.label.tolist())
        for index, name in enumerate(rois.class_names):
            if index not in present:
                raise StudyError(
                    message(
                        "The {part} part of the split has no lesion of the class {name}: make a split in which "
                        "every part shows every class, or use --folds.",
                        part=part.value,
                        name=name,
                    )
                )
        if len(set(rois.patient_ids)) < 2:
            raise StudyError(
                message(
                    "The {part} part of the split has one patient: intervals and tests need several; make "
                    "another split.",
                    part=part.value,
                )
            )
    training = data.of_part(Part.TRAINING)
    if needs_masks and not (training.lesion.any() or training.fine.any()):
        raise StudyError(
            message(
                "No training lesion has an outline or a fine annotation: IAIA-BL learns where to look from them, "
                "so draw or import some first."
            )
        )


def total_seconds(done: Sequence[FinishedPart]) -> float:
    return sum(part.record.seconds for part in done)
