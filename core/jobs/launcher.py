"""Several jobs at once, through what is there: child processes of this machine, or Slurm.

``local:2`` runs two children and divides the processor's threads between them; ``slurm`` hands each job to
``sbatch`` and follows it through a file in a folder that the nodes see too (``slurm:8``: at most 8 at once).
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import MarginaliaError
from core.jobs.execution_target import THIS_MACHINE, ExecutionTarget, with_threads
from core.platform.system import usable_cores

_AT_ONCE_IN_SLURM = 64
"""Jobs handed in together; Slurm decides how many of them run."""


@dataclass(frozen=True, kw_only=True)
class Launcher:
    at_once: int = 1
    slurm: bool = False

    def place(self, folder: Path, name: str) -> ExecutionTarget:
        """Return the execution target of the job ``name``, whose files lie in ``folder``."""
        if self.slurm:
            return ExecutionTarget(command=(sys.executable, "-m", "core.jobs.slurm", str(folder.resolve()), name))
        if self.at_once == 1:
            return THIS_MACHINE
        return with_threads(_cores() // self.at_once)


ONE_BY_ONE = Launcher()


def launcher_of(text: str) -> Launcher:
    """The launcher of ``local``, ``local:N``, ``slurm`` or ``slurm:N``; MarginaliaError for anything else."""
    found = re.fullmatch(r"(local|slurm)(?::([1-9]\d{0,3}))?", text)
    if found is None:
        raise MarginaliaError(
            f"There is no launcher {text}: write local:N for N jobs at once on this machine, or slurm."
        )
    slurm, number = found[1] == "slurm", found[2]
    usual = _AT_ONCE_IN_SLURM if slurm else 1
    return Launcher(at_once=int(number) if number else usual, slurm=slurm)


def _cores() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return usable_cores()
