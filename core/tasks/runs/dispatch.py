"""Runs on their way: to this machine, to a host, or to a Slurm queue, new ones and those that go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from core.domain.errors import Cancelled, StudyError, TrainingError
from core.domain.events import Emit, Failed, IsCancelled, Succeeded
from core.domain.messages import message
from core.domain.study import Run, RunStatus
from core.jobs.catalogue import JobRequest
from core.jobs.launcher import Launcher, launcher_of
from core.jobs.run_records import LEFT
from core.jobs.slurm.submission import read_submission
from core.jobs.supervisor import supervise
from core.store.study import Study
from core.tasks.runs.host_places import HostPlaces
from core.tasks.runs.lifecycle import (
    LOCAL,
    LOG,
    Execution,
    begin_run,
    carry_out,
    carry_out_alone,
    check_can_leave,
    move_run,
    relay,
    request_of,
)
from core.tasks.runs.parallel_runs import carry_out_all, hand_in_once
from core.tasks.runs.submitted_runs import follow_runs, with_jobs


@dataclass(frozen=True, kw_only=True)
class Told:
    """Callbacks for events and for cancelling."""

    emit: Emit
    cancelled: IsCancelled


class LeftRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes on without the program that began it."""

    run: str
    job: str
    """Its number in Slurm, or the host on which it goes on."""
    host: str = ""
    """The host on which it goes on; "" in Slurm."""


def carry_out_runs(
    study: Study, runs: Sequence[Run], wanted: str, told: Told, *, way: Execution = LOCAL
) -> list[Run]:
    """Train these runs to their ends, with the launcher ``wanted``; "": where each was handed in, else here.

    Raises: Cancelled at the user's wish; TrainingError that names the runs that failed.
    """
    launcher = _launcher(study, runs, wanted)
    if launcher is not None:
        return carry_out_all(study, runs, launcher, emit=told.emit, cancelled=told.cancelled)
    return [carry_out(study, run, emit=told.emit, cancelled=told.cancelled, way=way) for run in runs]


def carry_out_for_window(
    study: Study, run: Run, told: Told, *, left: IsCancelled, found: bool = False
) -> Run | None:
    """Train, go on with or follow a run whose job works without its window; None if ``left`` became true first.

    A run that was handed to Slurm stays there. ``found`` as in ``carry_out_alone``. Raises: as ``carry_out``.
    """
    folder = study.run_folder(run.id)
    known, found = read_submission(folder), found and not _is_left(study, run)
    if known is None or run.status is RunStatus.FINISHED:
        return carry_out_alone(study, run, emit=told.emit, cancelled=told.cancelled, left=left, found=found)
    if not found and not with_jobs(study, [run]):
        launcher = launcher_of(known.launcher)
        assert launcher.slurm is not None
        (run,) = hand_in_once(study, [run], launcher.slurm, emit=told.emit, cancelled=told.cancelled)
    done = follow_runs(study, [run], emit=told.emit, cancelled=told.cancelled, left=left)
    return done[0] if done else None


def leave_runs(study: Study, runs: Sequence[Run], wanted: str, told: Told) -> list[LeftRun]:
    """Hand these runs in and leave them. Raises: TrainingError if the launcher is none that runs alone."""
    launcher = _launcher(study, runs, wanted)
    if launcher is not None and launcher.hosts:
        places = HostPlaces(launcher.hosts, emit=told.emit, cancelled=told.cancelled)
        return [_left_on_one_of(study, run, places, told) for run in runs]
    if launcher is None and all(request_of(study, run).host for run in runs):
        return [_left_on_host(study, run, told) for run in runs]
    if launcher is None or launcher.slurm is None:
        raise TrainingError(
            message("--detach needs a place that works alone: --on HOST, or a launcher of Slurm or of hosts.")
        )
    handed = hand_in_once(study, runs, launcher.slurm, emit=told.emit, cancelled=told.cancelled)
    return [LeftRun(run=run.name, job=_job(study, run)) for run in handed]


def _left_on_one_of(study: Study, run: Run, places: HostPlaces, told: Told) -> LeftRun:
    """Leave the run on the host where it began, or where most is free; a host that fails is left out.

    Raises: TrainingError if no host is left; Cancelled.
    """
    if _is_left(study, run):
        return _left_on_host(study, run, told)
    check_can_leave(study, run)
    while True:
        host = places.take(request_of(study, run).host)
        move_run(study, run, host)
        try:
            return _left_on_host(study, run, told)
        except TrainingError as error:
            places.leave_out(host, error)


def _is_left(study: Study, run: Run) -> bool:
    return run.status is not RunStatus.FINISHED and (study.run_folder(run.id) / LEFT).is_file()


def _left_on_host(study: Study, run: Run, told: Told) -> LeftRun:
    """Send the run to its host and begin it there, unless it was left there before.

    Raises: TrainingError; Cancelled.
    """
    if _is_left(study, run):
        host = request_of(study, run).host
        return LeftRun(run=run.name, job=host, host=host)
    begun, request = begin_run(study, run, told.emit, told.cancelled)
    folder = study.run_folder(run.id)
    job = JobRequest(job="begin elsewhere", arguments=msgspec.to_builtins(request))
    final = supervise(job, emit=relay(told.emit), cancelled=told.cancelled, log=folder / LOG)
    if isinstance(final, Succeeded):
        return LeftRun(run=begun.name, job=request.host, host=request.host)
    study.runs.update(run)
    if isinstance(final, Failed):
        raise TrainingError(final.sentence)
    raise Cancelled


def _job(study: Study, run: Run) -> str:
    known = read_submission(study.run_folder(run.id))
    return "" if known is None else known.job


def _launcher(study: Study, runs: Sequence[Run], wanted: str) -> Launcher | None:
    """The launcher of all these runs; None where each is carried out by itself."""
    records = [known for run in runs if (known := read_submission(study.run_folder(run.id))) is not None]
    if not wanted:
        return launcher_of(records[0].launcher) if records else None
    launcher = launcher_of(wanted)
    if launcher.slurm is None:
        queued = with_jobs(study, runs)
        for run in runs:
            if run.id in queued:
                raise StudyError(
                    message(
                        "Run {run} has a job in Slurm; follow it without --launcher, or cancel it first: "
                        "marginalia run cancel STUDY {run}",
                        run=run.name,
                    )
                )
    return launcher
