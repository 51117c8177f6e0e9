"""Launchers that this user set up, kept for the user of this computer and never in a study."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError, TrainingError
from core.domain.messages import message
from core.jobs.slurm.options import SlurmOptions, checked_options
from core.platform.atomic import atomic_write, make_folder
from core.platform.places import state_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_TAKEN = frozenset({"local", "here"})


class HostPool(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="hosts"
):
    """Several hosts as one launcher: each run goes to one that is free."""

    name: str
    hosts: tuple[str, ...]
    """Names of hosts that the user set up (``core.jobs.hosts``), in the order in which they are asked."""


StoredLauncher = SlurmOptions | HostPool


def slurm_launchers() -> tuple[str, ...]:
    """Return the names of this user's launchers of Slurm; without any, "slurm" where it is installed."""
    names = tuple(one.name for one in LauncherProfiles().all() if isinstance(one, SlurmOptions))
    return names or (("slurm",) if shutil.which("sbatch") else ())


def host_pools() -> tuple[HostPool, ...]:
    """Return this user's pools of hosts. Raises: BadFileError if the file of the launchers is damaged."""
    return tuple(one for one in LauncherProfiles().all() if isinstance(one, HostPool))


class LauncherProfiles:
    """The launchers of this user, in one JSON file."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or state_folder() / "launchers.json"

    def all(self) -> tuple[StoredLauncher, ...]:
        """By name. Raises: BadFileError if the file is damaged."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=tuple[StoredLauncher, ...])
        except FileNotFoundError:
            return ()
        except msgspec.DecodeError as error:
            raise BadFileError(
                message(
                    "{path} does not hold launchers ({error}); correct it, or delete it and set them up again.",
                    path=self._file,
                    error=error,
                )
            ) from error

    def get(self, name: str) -> StoredLauncher:
        """Raises: TrainingError if there is none of this name."""
        found = [one for one in self.all() if one.name == name]
        if not found:
            raise TrainingError(
                message(
                    "There is no launcher named {name}; set it up first: marginalia launchers add --help",
                    name=name,
                )
            )
        return found[0]

    def put(self, launcher: StoredLauncher) -> None:
        """Add the launcher, or replace that of the same name. Raises: MarginaliaError if it cannot be used."""
        if not _NAME.fullmatch(launcher.name) or launcher.name in _TAKEN:
            raise TrainingError(
                message(
                    "The name of a launcher needs 1 to 40 letters, digits, dots, hyphens and underscores, and is "
                    "neither local nor here."
                )
            )
        if isinstance(launcher, SlurmOptions):
            checked_options(launcher)
        elif not launcher.hosts or len(set(launcher.hosts)) < len(launcher.hosts):
            raise TrainingError(
                message("The launcher {launcher} needs hosts, each named once.", launcher=launcher.name)
            )
        rest = [one for one in self.all() if one.name != launcher.name]
        self._write(sorted([*rest, launcher], key=lambda one: one.name.casefold()))

    def remove(self, name: str) -> None:
        """Raises: TrainingError if there is none of this name."""
        self.get(name)
        self._write([one for one in self.all() if one.name != name])

    def _write(self, launchers: list[StoredLauncher]) -> None:
        make_folder(self._file.parent)
        atomic_write(self._file, msgspec.json.format(msgspec.json.encode(launchers)))
