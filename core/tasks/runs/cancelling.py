"""Cancelling runs whose job works without this program: in a queue, or detached on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from core.domain.errors import Cancelled, MarginaliaError, StudyError
from core.domain.events import Emit, IsCancelled
from core.domain.messages import message
from core.domain.study import Run, RunStatus
from core.jobs import detached
from core.jobs.run_records import LEFT
from core.jobs.slurm import commands
from core.jobs.slurm.standing import number_of
from core.store.study import Study
from core.tasks.runs.lifecycle import carry_out, request_of
from core.tasks.runs.remote_submit import halt_elsewhere, place_of
from core.tasks.runs.submitted_runs import follow_runs, with_jobs


def cancel_runs(study: Study, runs: Sequence[Run], *, emit: Emit, cancelled: IsCancelled) -> None:
    """Cancel the jobs of these runs, wait until they have stopped, and record it.

    ``cancelled`` ends the wait. Raises: StudyError if one of them has no job.
    """
    queued, here = _jobs_of(study, runs)
    if queued:
        _until_stopped(lambda: follow_runs(study, queued, emit=emit, cancelled=lambda: True, left=cancelled))
    for run in here:
        if _is_left(study, run):
            halt_elsewhere(*place_of(request_of(study, run)))
            _until_stopped(partial(carry_out, study, run, emit=emit, cancelled=cancelled))
        else:
            _until_stopped(partial(carry_out, study, run, emit=emit, cancelled=lambda: True))


def ask_to_cancel(study: Study, runs: Sequence[Run]) -> None:
    """Ask the jobs of these runs to stop; the program that has the study open records their ends.

    Raises: StudyError if one of them has no job; SlurmError if Slurm cannot be asked.
    """
    queued, here = _jobs_of(study, runs)
    jobs = [number_of(study.run_folder(run.id)) for run in queued]
    for run in here:
        if _is_left(study, run):
            halt_elsewhere(*place_of(request_of(study, run)))
        else:
            detached.ask_to_stop(study.run_folder(run.id))
    for folder, _ in jobs:
        detached.ask_to_stop(folder)
    if jobs:
        commands.scancel([number for _, number in jobs], waiting_only=True)


def _jobs_of(study: Study, runs: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    known = with_jobs(study, runs)
    queued = [run for run in runs if run.id in known]
    rest = [run for run in runs if run not in queued]
    for run in rest:
        alive = run.status is RunStatus.RUNNING and detached.is_alive(study.run_folder(run.id))
        if not alive and not _is_left(study, run):
            raise StudyError(
                message(
                    "Run {run} is {status}: it has no job that could be cancelled.",
                    run=run.name,
                    status=run.status.value,
                )
            )
    return queued, rest


def _is_left(study: Study, run: Run) -> bool:
    """True if the run was left on its host."""
    return run.status is not RunStatus.FINISHED and (study.run_folder(run.id) / LEFT).is_file()


def _until_stopped(follow: Callable[[], object]) -> None:
    try:
        follow()
    except (Cancelled, MarginaliaError):
        return
