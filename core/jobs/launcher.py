"""Several jobs at once, through what is installed: child processes of this machine, a Slurm queue, or other hosts.

``local:2`` runs two children and divides the processor's threads between them; ``slurm`` hands jobs to ``sbatch``
(``slurm:8``: at most 8 at the same time). Any other name is a launcher that the user set up
(``core.jobs.launcher_profiles``).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

import msgspec

from core.domain.errors import MarginaliaError
from core.domain.messages import message
from core.jobs.execution_target import THIS_MACHINE, ExecutionTarget, with_threads
from core.jobs.launcher_profiles import HostPool, LauncherProfiles, StoredLauncher
from core.jobs.slurm.options import SlurmOptions
from core.platform.system import usable_cores


@dataclass(frozen=True, kw_only=True)
class Launcher:
    at_once: int = 1
    slurm: SlurmOptions | None = None
    hosts: tuple[str, ...] = ()
    """Names of the hosts of a pool."""

    @property
    def is_here(self) -> bool:
        """True if the jobs run on this machine."""
        return self.slurm is None and not self.hosts

    def place(self) -> ExecutionTarget:
        """Return the execution target of a job on this machine, with its share of the threads."""
        return THIS_MACHINE if self.at_once == 1 else with_threads(_cores() // self.at_once)


ONE_BY_ONE = Launcher()


def launcher_of(text: str, profiles: LauncherProfiles | None = None) -> Launcher:
    """Return the launcher of ``local``, ``slurm`` or the name of one that was set up, with ``:N`` for at most N
    jobs at the same time. Raises: MarginaliaError if there is none."""
    found = re.fullmatch(r"(.+?)(?::([1-9]\d{0,3}))?", text)
    name, number = (found[1], int(found[2] or 0)) if found else ("", 0)
    if name == "local":
        return Launcher(at_once=number or 1)
    launcher = _launcher(_known(name, profiles or LauncherProfiles(), text))
    if number and launcher.slurm is not None:
        return replace(launcher, slurm=msgspec.structs.replace(launcher.slurm, at_once=number))
    return launcher


def _known(name: str, profiles: LauncherProfiles, text: str) -> StoredLauncher:
    known = {one.name: one for one in profiles.all()}
    if name in known:
        return known[name]
    if name == "slurm":
        return SlurmOptions()
    others = f" ({', '.join(known)})" if known else ""
    raise MarginaliaError(
        message(
            "There is no launcher {text}: write local:N for N jobs at once on this machine, slurm, or the name "
            "of a launcher that you set up{others}: marginalia launchers add --help",
            text=text,
            others=others,
        )
    )


def _launcher(stored: StoredLauncher) -> Launcher:
    if isinstance(stored, HostPool):
        return Launcher(at_once=len(stored.hosts), hosts=stored.hosts)
    return Launcher(slurm=stored)


def _cores() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return usable_cores()
