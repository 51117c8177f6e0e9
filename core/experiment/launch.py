"""The parts of an experiment as jobs of their own, several at once; the experiment then finds them finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.domain.errors import Cancelled, TrainingError
from core.domain.events import CancelledByUser, Emit, Event, Failed, IsCancelled, Succeeded
from core.experiment.features import keep_features, without_draws
from core.experiment.parts import Data, carry_out, finished, part_folder
from core.experiment.plan import Trial, trials
from core.experiment.request import TableRequest, data_of
from core.jobs.catalogue import JobRequest
from core.jobs.launcher import Launcher
from core.jobs.supervisor import supervise
from core.platform.atomic import make_folder
from core.store.study import Study
from core.tasks.runs.parallel_runs import at_once
from core.training.config import TrainingConfig

LOG = "log.txt"


class PartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that a child needs to train one part on the study, which it only reads."""

    study: str
    out: str
    config: TrainingConfig
    split: str
    folds: int
    key: str
    """Key of the trial."""
    seed: int
    fold: int
    """From 1; 0 where there are no folds."""


def launch_parts(
    study: Study,
    request: TableRequest,
    launcher: Launcher,
    chosen: Sequence[Trial],
    data: Sequence[Data],
    *,
    emit: Emit,
    cancelled: IsCancelled,
) -> None:
    """Train every part that is not finished. TrainingError names those that failed, after all of them ended."""
    jobs: dict[str, Callable[[Emit], None]] = {}
    for seed in range(1, request.seeds + 1):
        for trial in chosen:
            for fold in data:
                folder = part_folder(request.out, trial, seed, fold.fold)
                if finished(folder, trial, seed, fold) is None:
                    part = PartRequest(
                        study=str(study.folder), out=str(request.out), config=request.config, split=request.split,
                        folds=request.folds, key=trial.key, seed=seed, fold=fold.fold,
                    )  # fmt: skip
                    jobs[folder.name] = _job(part, folder, launcher, cancelled)
                    if trial.fine_images is None:  # before the children start, that none computes them again
                        config = trial.with_seed(seed)
                        keep_features(request.out, config, fold.rois, emit=emit, cancelled=cancelled)
                        if fold.drawn is not None:
                            bare = without_draws(config)
                            keep_features(request.out, bare, fold.drawn, emit=emit, cancelled=cancelled)
    at_once(jobs, launcher.at_once, emit=emit, cancelled=cancelled)


def _job(part: PartRequest, folder: Path, launcher: Launcher, cancelled: IsCancelled) -> Callable[[Emit], None]:
    def work(emit: Emit) -> None:
        make_folder(folder)

        def relay(event: Event) -> None:
            if not isinstance(event, Succeeded | Failed | CancelledByUser):
                emit(event)

        final = supervise(
            JobRequest(job="experiment part", arguments=msgspec.to_builtins(part)),
            emit=relay, cancelled=cancelled, log=folder / LOG, place=launcher.place(folder, folder.name),
        )  # fmt: skip
        if isinstance(final, CancelledByUser):
            raise Cancelled
        if isinstance(final, Failed):
            raise TrainingError(final.sentence)

    return work


def part_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Return the child's side."""
    part = msgspec.convert(arguments, PartRequest)
    out = Path(part.out)
    request = TableRequest(out=out, config=part.config, split=part.split, folds=part.folds)
    with Study.open(Path(part.study), writable=False) as study:
        data = {fold.fold: fold for fold in data_of(study, request, emit, cancelled)}
    trial = {one.key: one for one in trials(part.config, ablations=True)}[part.key]
    carry_out(out, trial, part.seed, data[part.fold], emit=emit, cancelled=cancelled)
    return {"part": part_folder(out, trial, part.seed, part.fold).name}
