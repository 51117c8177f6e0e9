"""Training a model on a study: the part that runs in the child process.

The child opens the study for reading only; the parent, which may hold the study's writer lock, records what
became of the run (``core.tasks.runs.lifecycle``).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.data.roi_set import RoiSet
from core.data.split import check_split
from core.data.training_set import build_roi_set, roi_split_rows
from core.domain.errors import TrainingError
from core.domain.events import Emit, IsCancelled, Message, Progress, silent
from core.domain.messages import Sentence, message
from core.domain.vocabulary import Part
from core.evaluation.update_change import UpdateChange, change_by_update
from core.model.checkpoint import load_model
from core.store.study import Study
from core.tasks.runs.held_device import held_card
from core.tasks.runs.projection_writer import PicturesOfProjection
from core.tasks.runs.run_data import read_snapshot, roi_request
from core.training.config import TrainingConfig
from core.training.feature_cache import key_of, read_features
from core.training.fixed_draws import EarlyMaps
from core.training.forgotten_patches import ForgottenPatch
from core.training.frozen_source import ParentRun
from core.training.request import training_rois
from core.training.run_inputs import RunStart
from core.training.run_record import RunResult
from core.training.steering import SteeredPlace, Steering, steer
from core.training.team import Team, team_of
from core.training.trainer import assist, train

MODEL = "model"


class TrainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that the child needs; stands as ``request.json`` in the run's folder, so that a run can be resumed."""

    study: str
    folder: str
    """The folder of the run."""
    config: TrainingConfig
    parts: dict[str, Part]
    """Patient id to part; patients that it does not name are left out."""
    forgotten: tuple[ForgottenPatch, ...] = ()
    """Patches of earlier runs' prototypes that were marked as not medically relevant when this run was planned."""
    parent: str = ""
    """Id of the run that this one updates; "": none."""
    features: str = ""
    """Id of the run that keeps the features of the frozen trunk, for an update."""
    steered: tuple[SteeredPlace, ...] = ()
    """Prototypes of the parent that were placed elsewhere; such a run trains nothing else."""
    pruned: tuple[int, ...] = ()
    """Prototypes (from 0) that the parent's active revision had lost; a steered run loses them too."""
    host: str = ""
    """Name of the machine that trains it (``core.jobs.hosts``); "": this one."""


def rows_of_parts(rois: RoiSet, parts: dict[str, Part]) -> tuple[RoiSet, np.ndarray[Any, np.dtype[np.str_]]]:
    """The ROIs whose patient has a part, and the part of each."""
    kept = np.array([patient in parts for patient in rois.patient_ids], dtype=np.bool_)
    chosen = rois if kept.all() else rois.rows(kept)
    return chosen, np.array([parts[patient].value for patient in chosen.patient_ids])


def train_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    request = msgspec.convert(arguments, TrainRequest)
    config = request.config
    with team_of(Path(request.folder).name, device=config.device) as team:
        said = emit if team.leads else silent
        with held_card(config.device, team, emit=said, cancelled=cancelled):
            return _train(request, team, said, cancelled)


def _train(request: TrainRequest, team: Team, emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    config = request.config
    rois, parts = rois_of(request, emit, cancelled)
    if not team.leads:
        if request.steered:
            return {}
        assist(rois, parts, config, Path(request.folder), team=team)
        return {}
    folder = Path(request.folder)
    parent = _parent_of(request)
    if request.steered:
        result = _steered(request, rois, parts, emit, cancelled)
    else:
        told = PicturesOfProjection(folder, config, emit).keep
        result = train(
            rois,
            parts,
            config,
            folder,
            emit=emit,
            cancelled=cancelled,
            team=team,
            projected=told,
            start=RunStart(parent=parent, forgotten=request.forgotten),
        )
    found: dict[str, object] = {"record": msgspec.to_builtins(result.record)}
    if parent is not None:
        found |= {"parent": request.parent, "change": msgspec.to_builtins(_change(request, parent, rois, parts))}
    return found


def _steered(
    request: TrainRequest,
    rois: RoiSet,
    parts: np.ndarray[Any, np.dtype[np.str_]],
    emit: Emit,
    cancelled: IsCancelled,
) -> RunResult:
    folder = Path(request.folder)
    emit(Progress(stage="A3", done=0, total=1))
    steering = Steering(
        model=load_model(folder.parent / request.parent / MODEL),
        features=folder.parent / (request.features or request.parent),
        places=request.steered,
        forgotten=request.forgotten,
    )
    return steer(rois, parts, request.config, folder, steering, cancelled)


def _change(
    request: TrainRequest, parent: ParentRun, rois: RoiSet, parts: np.ndarray[Any, np.dtype[np.str_]]
) -> UpdateChange | None:
    """The paired change on the validation part; None without one."""
    updated = load_model(Path(request.folder) / MODEL).network
    known = rois.label >= 0
    training, validation = (rois.rows((parts == p.value) & known) for p in (Part.TRAINING, Part.VALIDATION))
    if len(validation) == 0:
        return None
    key = key_of(updated, training_rois(training, request.config), validation, request.config)
    kept = read_features(parent.features, key) or read_features(Path(request.folder), key)
    features = None
    if kept is not None:
        features = EarlyMaps(blocks=len(updated.blocks()), maps=kept.validation).features(updated)
    return change_by_update(parent.network, updated, validation, features)


def _parent_of(request: TrainRequest) -> ParentRun | None:
    """ModelError where the parent's model is gone."""
    if not request.parent:
        return None
    runs = Path(request.folder).parent
    network = load_model(runs / request.parent / MODEL).network
    return ParentRun(network=network, features=runs / (request.features or request.parent))


def rois_of(
    request: TrainRequest, emit: Emit, cancelled: IsCancelled
) -> tuple[RoiSet, np.ndarray[Any, np.dtype[np.str_]]]:
    """The ROIs that a run is trained on, as it began with them, and the part of each; emits what is left out.

    TrainingError where nothing is left, or where parts share a patient or an image.
    """
    config, snapshot = request.config, read_snapshot(Path(request.folder))
    with Study.open(Path(request.study), writable=False) as study:
        built = build_roi_set(study, roi_request(config), snapshot=snapshot, emit=emit, cancelled=cancelled)
        rois, parts = rows_of_parts(built.rois, request.parts)
        check_split(roi_split_rows(study, rois), [Part(part) for part in parts])
    for reason, count in Counter(exclusion.reason for exclusion in built.exclusions).items():
        emit(
            Message(
                level="info",
                text=_left_out(count, reason),
            )
        )
    outside = len(built.rois) - len(rois)
    if outside:
        why = message(
            "their patients are in no part of this split (another source, or imported after it was made)"
        )
        emit(
            Message(
                level="warning",
                text=_left_out(outside, why),
            )
        )
    if len(rois) == 0:
        raise TrainingError(
            message("No lesion of this study can be trained on: import lesions and label their margins.")
        )
    return rois, parts


def _left_out(count: int, reason: Sentence) -> Sentence:
    if count == 1:
        return message("1 lesion left out: {reason}.", reason=reason)
    return message("{count} lesions left out: {reason}.", count=count, reason=reason)
