"""Follows jobs in Slurm: their events through files, their states through one poller, to the end of each.

Any program that sees the folders can follow, again and again; a job needs none of them. A program that is killed
while it follows leaves the jobs as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.domain.events import (
    TERMINAL,
    CancelledByUser,
    Event,
    Failed,
    IsCancelled,
    Message,
    never,
)
from core.domain.messages import joined, message
from core.jobs.detached import EVENTS, STOP, EventTail, ask_to_stop, end_of
from core.jobs.slurm import commands
from core.jobs.slurm.commands import QueueState, SlurmError
from core.jobs.slurm.poller import Poller
from core.jobs.slurm.submission import LOG
from core.jobs.slurm.words import ended_words, state_words

_TICK_S = 0.5
LATE_S, VANISHED_S = 15.0, 60.0
"""From the end of a job in Slurm until its missing last event is given up, where Slurm reports how it ended, and
where it knows nothing: network file systems show the end of a file late."""
PATIENCE_S = 20.0
"""For a running job to stop after its step, before it is taken out of the queue."""
GIVE_UP_S = 30.0
"""After that, for Slurm to answer."""
Say = Callable[[str, Event], None]


@dataclass(kw_only=True)
class _Job:
    key: str
    folder: Path
    number: str
    tail: EventTail
    state: QueueState | None = None
    ended_at: float = 0.0
    seen: bool = False
    """Flag: an event was read."""


@dataclass(kw_only=True)
class _Stop:
    """How far the wish to stop got."""

    at: float = 0.0
    all_asked: bool = False
    """Flag: Slurm was asked to take out the running jobs too."""
    problem: str = ""
    """Why the last call of scancel failed."""


class SlurmFollower:
    """``jobs``: a key of the caller to folder and number. ``say`` receives every event but the last of a job."""

    def __init__(self, jobs: Mapping[str, tuple[Path, str]], say: Say, poller: Poller | None = None) -> None:
        self._jobs = {
            key: _Job(key=key, folder=folder, number=number, tail=EventTail(folder / EVENTS))
            for key, (folder, number) in jobs.items()
        }
        self._say = say
        self._poller = poller or Poller()
        self._stop = _Stop()
        self._problem = ""

    def ends(self, *, cancelled: IsCancelled = never, left: IsCancelled = never) -> Iterator[tuple[str, Event]]:
        """Yield key and terminal event of each job when it ends; stop without them once ``left`` is true.

        ``cancelled`` is polled: once true, jobs that wait are taken out of the queue, and those that run are asked
        to stop.
        """
        while self._jobs and not left():
            if cancelled():
                self._cancel()
            self._look()
            for job in list(self._jobs.values()):
                final = self._read(job) or self._end_of(job)
                if final is not None:
                    del self._jobs[job.key]
                    yield job.key, final
            if self._jobs:
                time.sleep(_TICK_S)

    def _read(self, job: _Job) -> Event | None:
        for event in job.tail.read():
            job.seen = True
            if isinstance(event, TERMINAL):
                return event
            self._say(job.key, event)
        return None

    def _look(self, *, at_once: bool = False) -> None:
        answered = self._poller.look([job.number for job in self._jobs.values()], at_once=at_once)
        if self._poller.problem and self._poller.problem != self._problem:
            text = message(
                "Slurm cannot be asked ({problem}); jobs are followed by their files alone.",
                problem=self._poller.problem,
            )
            self._say(next(iter(self._jobs)), Message(level="warning", text=text))
        self._problem = self._poller.problem
        if not answered:
            return
        for job in self._jobs.values():
            self._take(job, self._poller.state(job.number))

    def _take(self, job: _Job, state: QueueState | None) -> None:
        if state is None:
            return
        if state.ended:
            job.ended_at = job.ended_at or time.monotonic()
        else:
            job.ended_at = 0.0
            if state != job.state and (state.waits or job.state is None or not job.state.runs):
                self._say(job.key, Message(level="info", text=state_words(job.number, state)))
        job.state = state

    def _end_of(self, job: _Job) -> Event | None:
        """The end of a job that wrote none: Slurm no longer has it, and its files stayed as they were."""
        now = time.monotonic()
        if job.ended_at and job.state is not None:
            late = _TICK_S if self._stop.at else LATE_S if job.state.state else VANISHED_S
            if now - job.ended_at >= late:
                return self._read(job) or self._verdict(job, job.state)
        if self._stop.all_asked and (self._stop.problem or now - self._stop.at > PATIENCE_S + GIVE_UP_S):
            text = message(
                "Slurm did not confirm that job {number} left its queue; if it begins, it stops at once.",
                number=job.number,
            )
            if self._stop.problem:
                text = joined([text, message("The cause: {problem}.", problem=self._stop.problem)])
            self._say(job.key, Message(level="warning", text=text))
            return CancelledByUser(sentence=text)
        return None

    def _verdict(self, job: _Job, state: QueueState) -> Event:
        if self._stop.at or (job.folder / STOP).exists():  # asked for here, or by another program
            return CancelledByUser()
        if not state.state and (known := commands.why_ended(job.number)):
            state = QueueState(state=known)
        words = end_of(job.folder / LOG) if not job.seen else ""
        last = words.splitlines()[-1].strip().rstrip(".") if words.strip() else ""
        return Failed(sentence=ended_words(job.number, state, said=last), last_words=words)

    def _cancel(self) -> None:
        """Once: ask every job to stop and take out those that wait; later those that did not stop."""
        if not self._stop.at:
            self._stop.at = time.monotonic()
            for job in self._jobs.values():
                ask_to_stop(job.folder)
            self._scancel(waiting_only=True)
            self._look(at_once=True)
        elif time.monotonic() - self._stop.at > PATIENCE_S and not self._stop.all_asked:
            self._stop.all_asked = True
            self._scancel(waiting_only=False)
            self._look(at_once=True)

    def _scancel(self, *, waiting_only: bool) -> None:
        try:
            commands.scancel([job.number for job in self._jobs.values()], waiting_only=waiting_only)
            self._stop.problem = ""
        except SlurmError as error:
            self._stop.problem = str(error)
