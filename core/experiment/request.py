"""The request for an experiment, and the ROIs and splits that it is carried out on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.data.split import PAPER_FRACTIONS, check_split
from core.data.training_set import build_drawn_rois, build_roi_set, roi_split_rows
from core.domain.events import Emit, IsCancelled
from core.domain.study import Split
from core.domain.vocabulary import Part
from core.experiment.parts import Data, check_data
from core.jobs.launcher import Launcher
from core.statistics.bootstrap import DRAWS
from core.store.study import Study
from core.tasks.runs.run_data import roi_request
from core.tasks.runs.splits import find_split, make_folds, make_split
from core.tasks.runs.train_job import rows_of_parts
from core.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class TableRequest:
    """Request for the experiment: configuration, seeds, folds and output folder."""

    out: Path
    config: TrainingConfig
    seeds: int = 3
    ablations: bool = False
    split: str = ""
    folds: int = 0
    """0: one split. Else patient-grouped cross-validation, its out-of-fold predictions pooled."""
    draws: int = DRAWS
    launcher: Launcher | None = None
    """Trains parts in processes of their own, several at once; None: one after another in this one."""


def data_of(study: Study, request: TableRequest, emit: Emit, cancelled: IsCancelled) -> list[Data]:
    """Return the ROIs with the parts of each fold (one where there are no folds), checked."""
    config = request.config
    splits = splits_of(study, request)
    wanted = roi_request(config)
    built = build_roi_set(study, wanted, emit=emit, cancelled=cancelled)
    placed = build_drawn_rois(study, wanted, built.rois.lesion_ids, emit=emit, cancelled=cancelled)
    found = []
    for number, split in enumerate(splits, start=1):
        rois, parts = rows_of_parts(built.rois, split.parts)
        check_split(roi_split_rows(study, rois), [Part(part) for part in parts])
        drawn, _ = rows_of_parts(placed, split.parts)
        found.append(Data.of(rois, parts, number if request.folds else 0, drawn))
    masks = config.loss.fine > 0 or config.warm_start == "cells"
    for data in found:
        check_data(data, needs_masks=masks, folds=bool(request.folds))
    return found


def splits_of(study: Study, request: TableRequest) -> list[Split]:
    """Return the split, or one a fold; those that the study does not have yet are made and stored in it."""
    if request.folds:
        name = f"experiment-{request.folds}-folds"
        known = [study.splits.find(f"{name}-fold{i + 1}") for i in range(request.folds)]
        if all(one is not None for one in known):
            return [one for one in known if one is not None]
        config = request.config
        return list(
            make_folds(
                study,
                name=name,
                label=config.label,
                folds=request.folds,
                seed=1,
                class_names=config.class_names,
            )
        )
    if request.split:
        return [find_split(study, request.split)]
    default = study.splits.find("default")
    if default is None:
        label = request.config.label
        names = request.config.class_names
        default, _ = make_split(
            study, name="default", label=label, fractions=PAPER_FRACTIONS, seed=1, class_names=names
        )
    return [default]
