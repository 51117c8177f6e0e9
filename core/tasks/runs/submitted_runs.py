"""Runs in a Slurm queue: submitted together, detached, followed again by any program, cancelled.

The program that has the study open prepares the files of each run and records the outcome; the nodes see folders
only. A run never has two jobs: before one is handed in, its record and Slurm are asked about the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import Emit, Event, IsCancelled, Message, Projected, Succeeded, never
from core.domain.messages import message
from core.domain.study import Run, RunStatus
from core.jobs import detached
from core.jobs.slurm import commands
from core.jobs.slurm.commands import QueueState, SlurmError
from core.jobs.slurm.follower import SlurmFollower
from core.jobs.slurm.options import SlurmOptions
from core.jobs.slurm.poller import GONE
from core.jobs.slurm.standing import in_queue, number_of
from core.jobs.slurm.submission import SlurmTask, read_submission, submit
from core.store.study import Study
from core.tasks.runs.gathered import gather, named_event
from core.tasks.runs.lifecycle import begin_run, check_can_leave, settle
from core.tasks.runs.packed_runs import bring_home, drop_packs, folder_of_job, keep_log, packed_job
from core.tasks.runs.remote_submit import read_left


def with_jobs(study: Study, runs: Sequence[Run]) -> set[str]:
    """Return the ids of the runs whose job may be in Slurm's queue, or ended there and is not recorded as ended.

    Raises: StudyError if that is not known, since Slurm cannot be asked.
    """
    found, homes = set(), {}
    for run in runs:
        home = study.run_folder(run.id)
        known = None if run.status is RunStatus.FINISHED else read_submission(home)
        if known is None:
            continue
        if not known.job or detached.final_event(Path(known.folder)) is None:
            homes[home] = run.id
        elif run.status is RunStatus.RUNNING:
            found.add(run.id)
    return found | {homes[home] for home in in_queue(list(homes))}


def hand_in(
    study: Study, runs: Sequence[Run], options: SlurmOptions, *, title: str, emit: Emit, cancelled: IsCancelled
) -> list[Run]:
    """Hand in these runs as one array of jobs; return them as being trained. None of them may have a job.

    Raises: MarginaliaError if a command of Slurm is missing, a run can only be trained here, or sbatch refuses;
    the runs are then as before.
    """
    commands.check_present(commands.NEEDED)
    for run in runs:
        check_can_leave(study, run)
    begun: list[Run] = []
    try:
        tasks = []
        for run in runs:
            started, request = begin_run(study, run, emit, cancelled)
            begun.append(started)
            folder = folder_of_job(study, run, options)
            job = packed_job(study, request, folder, emit=emit, cancelled=cancelled)
            tasks.append(SlurmTask(home=study.run_folder(run.id), folder=folder, request=job))
        handed = submit(tasks, options, title=title)
    except BaseException:
        for run in runs[: len(begun)]:
            study.runs.update(run)
        raise
    first, last = handed[0].job, handed[-1].job
    text = (
        message("Handed to Slurm as job {first}.", first=first)
        if first == last
        else message("Handed to Slurm as jobs {first} to {last}.", first=first, last=last)
    )
    emit(Message(level="info", text=text))
    return begun


def follow_runs(
    study: Study, runs: Sequence[Run], *, emit: Emit, cancelled: IsCancelled, left: IsCancelled = never
) -> list[Run]:
    """Follow the jobs of these runs to their ends and record the outcomes; return the finished runs.

    Raises: Cancelled at the user's wish; TrainingError that names the runs that failed, after all have ended.
    """
    jobs = {run.id: number_of(study.run_folder(run.id)) for run in runs}
    by_id = {run.id: run for run in runs}

    def say(key: str, event: Event) -> None:
        # pictures of prototypes that lie elsewhere come with the results
        if not isinstance(event, Projected) or jobs[key][0] == study.run_folder(key):
            emit(named_event(event, by_id[key].name) if len(runs) > 1 else event)

    def outcomes() -> Iterator[tuple[str, Run | MarginaliaError | Cancelled]]:
        for key, final in SlurmFollower(jobs, say).ends(cancelled=cancelled, left=left):
            try:
                yield by_id[key].name, _settled(study, by_id[key], jobs[key][0], final, emit)
            except (MarginaliaError, Cancelled) as error:
                yield by_id[key].name, error

    try:
        found = dict(outcomes())
    finally:
        drop_packs(study, [folder for folder, _ in jobs.values()])
    return gather({run.name: found[run.name] for run in runs if run.name in found})


def _settled(study: Study, run: Run, folder: Path, final: Event, emit: Emit) -> Run:
    home = study.run_folder(run.id)
    if isinstance(final, Succeeded):
        bring_home(folder, home)
    else:
        keep_log(folder, home)
    return settle(study, run, final, emit=emit)


class JobLine(msgspec.Struct, frozen=True, kw_only=True):
    """The job of a run, for a list."""

    run: str
    job: str
    """Its number in Slurm; "" for a run that was left on a host."""
    launcher: str
    """The launcher of Slurm, or the host."""
    handed_in_utc: str
    state: str
    """waiting, running, ended or unknown; left: on a host, which was not asked."""
    reason: str
    """Slurm's reason while it waits; the node while it runs; else ""."""


def job_lines(study: Study, runs: Sequence[Run]) -> list[JobLine]:
    """Return the job of each run that has one, with one question to Slurm for all of them."""
    known = [(run, record) for run in runs if (record := read_submission(study.run_folder(run.id))) is not None]
    open_jobs = [record.job for run, record in known if run.status is RunStatus.RUNNING and record.job]
    states: dict[str, QueueState] | None
    try:
        states = commands.squeue(open_jobs)
    except SlurmError:
        states = None
    lines = _left_lines(study, runs)
    for run, record in known:
        ended = run.status is not RunStatus.RUNNING or detached.final_event(Path(record.folder)) is not None
        state = GONE if ended else None if states is None else states.get(record.job, GONE)
        lines.append(
            JobLine(
                run=run.name,
                job=record.job,
                launcher=record.launcher,
                handed_in_utc=record.handed_in_utc,
                state=_word(state),
                reason="" if state is None else state.reason if state.waits else state.node,
            )
        )
    return lines


def _left_lines(study: Study, runs: Sequence[Run]) -> list[JobLine]:
    lines = []
    for run in runs:
        left = None if run.status is RunStatus.FINISHED else read_left(study.run_folder(run.id))
        if left is not None:
            at = left.handed_in_utc
            lines.append(
                JobLine(run=run.name, job="", launcher=left.host, handed_in_utc=at, state="left", reason="")
            )
    return lines


def _word(state: QueueState | None) -> str:
    if state is None:
        return "unknown"
    return "waiting" if state.waits else "running" if state.runs else "ended"
