"""One question to Slurm for all jobs that a program follows, and not more often than its controller likes."""

from __future__ import annotations

import time
from collections.abc import Collection

from core.domain.messages import NOTHING
from core.jobs.slurm import commands
from core.jobs.slurm.commands import QueueState, SlurmError

EVERY_S = 10.0
"""Seconds between two calls of squeue by one program, however many jobs it follows."""
_FIRST_S = 1.0
GONE = QueueState(state="")


class Poller:
    """States of jobs as squeue reported them last."""

    def __init__(self, every_s: float | None = None) -> None:
        self._every = EVERY_S if every_s is None else every_s
        self._states: dict[str, QueueState] = {}
        self._next = time.monotonic() + min(_FIRST_S, self._every)
        self._answered = False
        self.problem = NOTHING
        """Why the last call failed, in words; "" where it succeeded."""

    def look(self, jobs: Collection[str], *, at_once: bool = False) -> bool:
        """Call squeue if it is time to, or ``at_once``; return True if it answered."""
        if not at_once and time.monotonic() < self._next:
            return False
        try:
            self._states = commands.squeue(sorted(jobs))
            self.problem, self._answered = NOTHING, True
        except SlurmError as error:
            self.problem = error.sentence
        self._next = time.monotonic() + self._every
        return not self.problem

    def state(self, job: str) -> QueueState | None:
        """The state of a job; None before the first answer."""
        return self._states.get(job, GONE) if self._answered else None
