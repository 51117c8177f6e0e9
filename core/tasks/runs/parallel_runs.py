"""Several runs of a study at once, each in a child of its own where the launcher puts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import Emit, Event, IsCancelled
from core.domain.study import Run
from core.jobs.launcher import Launcher
from core.jobs.slurm.options import SlurmOptions
from core.store.study import Study
from core.tasks.runs.gathered import gather, named_event
from core.tasks.runs.host_pool import carry_out_on_hosts
from core.tasks.runs.lifecycle import Execution, carry_out
from core.tasks.runs.submitted_runs import follow_runs, hand_in, with_jobs

T = TypeVar("T")


def carry_out_all(
    study: Study, runs: Sequence[Run], launcher: Launcher, *, emit: Emit, cancelled: IsCancelled
) -> list[Run]:
    """Every run, ``launcher.at_once`` at a time, in the order given. One that fails does not stop the others.

    Cancelled where the user asked for it; TrainingError, after all of them ended, that names those that failed.
    Both leave what is finished finished, and the others to be resumed.
    """

    if launcher.slurm is not None:
        return carry_out_in_slurm(study, runs, launcher.slurm, emit=emit, cancelled=cancelled)

    if launcher.hosts:
        return carry_out_on_hosts(study, runs, launcher.hosts, emit=emit, cancelled=cancelled)

    def job(run: Run) -> Callable[[Emit], Run]:
        way = Execution(place=launcher.place())
        return lambda said: carry_out(study, run, emit=said, cancelled=cancelled, way=way)

    jobs = {run.name: job(run) for run in runs}
    return at_once(jobs, launcher.at_once, emit=emit, cancelled=cancelled)


def carry_out_in_slurm(
    study: Study, runs: Sequence[Run], options: SlurmOptions, *, emit: Emit, cancelled: IsCancelled
) -> list[Run]:
    """Hand in the runs that have no job yet, as one array, and follow all of them to their ends."""
    return follow_runs(
        study, hand_in_once(study, runs, options, emit=emit, cancelled=cancelled), emit=emit, cancelled=cancelled
    )


def hand_in_once(
    study: Study, runs: Sequence[Run], options: SlurmOptions, *, emit: Emit, cancelled: IsCancelled
) -> list[Run]:
    """Hand in the runs that have no job yet, as one array; return all of them, in their order."""
    known = with_jobs(study, runs)
    waiting = [run for run in runs if run.id not in known]
    handed = {}
    if waiting:
        title = waiting[0].name if len(waiting) == 1 else f"{waiting[0].name}-and-{len(waiting) - 1}-more"
        begun = hand_in(study, waiting, options, title=title, emit=emit, cancelled=cancelled)
        handed = {run.id: run for run in begun}
    return [handed.get(run.id, run) for run in runs]


def at_once(jobs: dict[str, Callable[[Emit], T]], count: int, *, emit: Emit, cancelled: IsCancelled) -> list[T]:
    """Return the results of all jobs, run ``count`` at a time; their messages carry the name of the job."""
    lock = threading.Lock()
    named = len(jobs) > 1

    def emitted(name: str) -> Emit:
        def say(event: Event) -> None:
            with lock:
                emit(named_event(event, name) if named else event)

        return say

    def attempt(name: str) -> T | MarginaliaError | Cancelled:
        if cancelled():
            return Cancelled()
        try:
            return jobs[name](emitted(name))
        except (MarginaliaError, Cancelled) as error:
            return error

    with ThreadPoolExecutor(count, thread_name_prefix="launcher") as pool:
        found = list(pool.map(attempt, jobs))
    return gather(dict(zip(jobs, found, strict=True)))
