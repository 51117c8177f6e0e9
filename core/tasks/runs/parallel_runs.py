"""Several runs of a study at once, each in a child of its own where the launcher puts it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from core.domain.errors import Cancelled, MarginaliaError, TrainingError
from core.domain.events import Emit, Event, IsCancelled, Message, Metrics, Progress
from core.domain.study import Run
from core.jobs.launcher import Launcher
from core.store.study import Study
from core.tasks.runs.lifecycle import Execution, carry_out

T = TypeVar("T")


def carry_out_all(
    study: Study, runs: Sequence[Run], launcher: Launcher, *, emit: Emit, cancelled: IsCancelled
) -> list[Run]:
    """Every run, ``launcher.at_once`` at a time, in the order given. One that fails does not stop the others.

    Cancelled where the user asked for it; TrainingError, after all of them ended, that names those that failed.
    Both leave what is finished finished, and the others to be resumed.
    """

    def job(run: Run) -> Callable[[Emit], Run]:
        way = Execution(place=launcher.place(study.run_folder(run.id), run.name))
        return lambda said: carry_out(study, run, emit=said, cancelled=cancelled, way=way)

    jobs = {run.name: job(run) for run in runs}
    return at_once(jobs, launcher.at_once, emit=emit, cancelled=cancelled)


def at_once(jobs: dict[str, Callable[[Emit], T]], count: int, *, emit: Emit, cancelled: IsCancelled) -> list[T]:
    """Return the results of all jobs, run ``count`` at a time; their messages carry the name of the job."""
    lock = threading.Lock()
    named = len(jobs) > 1

    def emitted(name: str) -> Emit:
        def say(event: Event) -> None:
            with lock:
                emit(_named(event, name) if named else event)

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
    if any(isinstance(one, Cancelled) for one in found):
        raise Cancelled
    failed = {name: one for name, one in zip(jobs, found, strict=True) if isinstance(one, MarginaliaError)}
    if len(failed) == 1 and not named:
        raise next(iter(failed.values()))
    if failed:
        raise TrainingError(" ".join(f"{name}: {error}" for name, error in failed.items()))
    return [one for one in found if not isinstance(one, MarginaliaError | Cancelled)]


def _named(event: Event, name: str) -> Event:
    if isinstance(event, Progress | Metrics):
        return msgspec.structs.replace(event, stage=f"{name}: {event.stage}")
    if isinstance(event, Message):
        return msgspec.structs.replace(event, text=f"{name}: {event.text}")
    return event
