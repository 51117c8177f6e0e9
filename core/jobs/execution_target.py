"""Where a job's child runs: a command that speaks the job protocol on its standard input and output."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

CHILD = (sys.executable, "-m", "core.jobs.child")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class ExecutionTarget:
    command: tuple[str, ...] = CHILD
    environment: Mapping[str, str] = field(default_factory=dict)
    """What differs from the environment of this process."""
    lost: str = ""
    """What is said of a child that ended without a word; "": how it ended."""


THIS_MACHINE = ExecutionTarget()


def with_threads(threads: int) -> ExecutionTarget:
    """This machine, with so many threads for a child: several at once must not fight for the cores."""
    return ExecutionTarget(environment=dict.fromkeys(_THREADS, str(max(1, threads))))
