"""The execution target of a job's child: a command with the job protocol on its standard input and output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.domain.messages import NOTHING, Sentence

CHILD = (sys.executable, "-m", "core.jobs.child")
SHARED = "MARGINALIA_SHARED_CARDS"
"""Variable in the environment of children whose user wants several at once, on the same card if need be."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class ExecutionTarget:
    command: tuple[str, ...] = CHILD
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that differ from the environment of this process."""
    lost: Sentence = NOTHING
    """The message for a child that ended without a terminal event; "": a description of its exit."""


THIS_MACHINE = ExecutionTarget()


def with_threads(threads: int) -> ExecutionTarget:
    """Return this machine with ``threads`` for a child, so that parallel children do not compete for cores."""
    return ExecutionTarget(environment={**dict.fromkeys(_THREADS, str(max(1, threads))), SHARED: "1"})
