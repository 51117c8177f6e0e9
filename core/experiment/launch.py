"""The parts of an experiment as jobs of their own, several at once; the experiment then finds them finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.baselines.config import ClassifierConfig
from core.domain.errors import Cancelled, MarginaliaError, TrainingError
from core.domain.events import CancelledByUser, Emit, Event, Failed, IsCancelled, Succeeded
from core.domain.messages import message
from core.experiment.features import keep_features, without_draws
from core.experiment.part_data import DataFiles, drop_data, read_data, write_data
from core.experiment.parts import Data, carry_out, finished, part_folder
from core.experiment.plan import Trial, trials
from core.experiment.request import TableRequest
from core.jobs.catalogue import JobRequest
from core.jobs.launcher import Launcher
from core.jobs.slurm import commands
from core.jobs.slurm.follower import SlurmFollower
from core.jobs.slurm.options import SlurmOptions
from core.jobs.slurm.standing import in_queue, number_of
from core.jobs.slurm.submission import SlurmTask, submit
from core.jobs.supervisor import supervise
from core.platform.atomic import make_folder
from core.tasks.runs.gathered import gather, named_event
from core.tasks.runs.parallel_runs import at_once
from core.training.config import TrainingConfig

LOG = "log.txt"


class PartRequest(msgspec.Struct, frozen=True, kw_only=True):
    """All that a child needs to train one part, without the study."""

    out: str
    config: TrainingConfig
    data: DataFiles
    key: str
    """Key of the trial."""
    seed: int


def launch_parts(
    request: TableRequest,
    launcher: Launcher,
    chosen: Sequence[Trial],
    data: Sequence[Data],
    *,
    emit: Emit,
    cancelled: IsCancelled,
) -> None:
    """Train every part that is not finished. TrainingError names those that failed, after all of them ended."""
    if launcher.hosts:
        raise TrainingError(
            message("An experiment runs here or in Slurm: name a launcher that is not a pool of hosts.")
        )
    files = {fold.fold: write_data(request.out, fold) for fold in data}
    parts: dict[str, tuple[PartRequest, Path]] = {}
    for seed in range(1, request.seeds + 1):
        for trial in chosen:
            for fold in data:
                folder = part_folder(request.out, trial, seed, fold.fold)
                if finished(folder, trial, seed, fold) is None:
                    part = PartRequest(
                        out=str(request.out.absolute()),
                        config=request.config,
                        data=files[fold.fold],
                        key=trial.key,
                        seed=seed,
                    )
                    make_folder(folder)
                    parts[folder.name] = part, folder
                    if trial.fine_images is None:  # before the children start, that none computes them again
                        _keep_features(request.out, trial.with_seed(seed), fold, emit, cancelled)
    if launcher.slurm is not None:
        _in_slurm(parts, launcher.slurm, emit=emit, cancelled=cancelled)
    else:
        jobs = {name: _job(part, folder, launcher, cancelled) for name, (part, folder) in parts.items()}
        at_once(jobs, launcher.at_once, emit=emit, cancelled=cancelled)
    drop_data(request.out)


def _keep_features(
    out: Path, config: TrainingConfig | ClassifierConfig, fold: Data, emit: Emit, cancelled: IsCancelled
) -> None:
    keep_features(out, config, fold.rois, emit=emit, cancelled=cancelled)
    if fold.drawn is not None:
        keep_features(out, without_draws(config), fold.drawn, emit=emit, cancelled=cancelled)


def _in_slurm(
    parts: dict[str, tuple[PartRequest, Path]], options: SlurmOptions, *, emit: Emit, cancelled: IsCancelled
) -> None:
    """Hand in the parts that have no job in the queue, as one array, and follow all of them to their ends."""
    commands.check_present(commands.NEEDED)
    queued = in_queue([folder for _, folder in parts.values()])
    waiting = [name for name, (_, folder) in parts.items() if folder not in queued]
    if waiting:
        tasks = [
            SlurmTask(home=parts[name][1], folder=parts[name][1], request=_request(parts[name][0]))
            for name in waiting
        ]
        submit(tasks, options, title=f"experiment-{len(tasks)}-parts")
    jobs = {name: number_of(folder) for name, (_, folder) in parts.items()}
    found: dict[str, str | MarginaliaError | Cancelled] = {}
    follower = SlurmFollower(jobs, lambda name, event: emit(named_event(event, name)))
    for name, final in follower.ends(cancelled=cancelled):
        found[name] = _error_of(final) or name
    gather({name: found[name] for name in parts})


def _error_of(final: Event) -> MarginaliaError | Cancelled | None:
    if isinstance(final, CancelledByUser):
        return Cancelled()
    return TrainingError(final.sentence) if isinstance(final, Failed) else None


def _request(part: PartRequest) -> JobRequest:
    return JobRequest(job="experiment part", arguments=msgspec.to_builtins(part))


def _job(part: PartRequest, folder: Path, launcher: Launcher, cancelled: IsCancelled) -> Callable[[Emit], None]:
    def work(emit: Emit) -> None:
        def relay(event: Event) -> None:
            if not isinstance(event, Succeeded | Failed | CancelledByUser):
                emit(event)

        final = supervise(
            _request(part),
            emit=relay,
            cancelled=cancelled,
            log=folder / LOG,
            place=launcher.place(),
        )
        error = _error_of(final)
        if error is not None:
            raise error

    return work


def part_job(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Return the child's side."""
    part = msgspec.convert(arguments, PartRequest)
    out, data = Path(part.out), read_data(part.data)
    trial = {one.key: one for one in trials(part.config, ablations=True)}[part.key]
    carry_out(out, trial, part.seed, data, emit=emit, cancelled=cancelled)
    return {"part": part_folder(out, trial, part.seed, data.fold).name}
