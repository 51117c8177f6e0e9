"""Other machines on which this user may train, kept for the user of this computer and never in a study.

No password and no key is kept here: how ssh logs in is the user's ssh configuration. Nothing is sent to a machine
before its user has confirmed it; a change of where the entry points takes the confirmation away.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError, TrainingError
from core.domain.messages import message
from core.platform.atomic import atomic_write, make_folder
from core.platform.places import state_folder

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_ADDRESS = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,63}@)?[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}")
"""A name of the user's ssh configuration, host or user@host; never an option of ssh."""
_LONGEST_PATH = 1000


class RemoteHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    address: str
    """The argument for ssh: host, user@host, or a name of the user's ssh configuration."""
    program: str
    """Folder of this program there."""
    python: str = "python3"
    """The Python interpreter of the remote environment that has the program's packages."""
    folder: str = "marginalia-runs"
    """The remote folder of the runs while they are trained; relative to the home folder."""
    confirmed: str = ""
    """When the user confirmed it (UTC), and for what: stamp and hash."""


def destination(host: RemoteHost) -> str:
    """Return the destination as text for the user to read and confirm."""
    return f"{host.address} (folder {host.folder}, with {host.python} in {host.program})"


def checked(host: RemoteHost) -> RemoteHost:
    """Return the entry if it can be used. Raises: TrainingError with the entry's defect."""
    if not _NAME.fullmatch(host.name) or host.name == "here":
        raise TrainingError(
            message(
                "The name of a host needs 1 to 40 letters, digits, dots, hyphens and underscores, and is not here."
            )
        )
    if not _ADDRESS.fullmatch(host.address):
        raise TrainingError(
            message(
                "{address} is not an address for ssh, such as gpu.example.org or me@gpu.", address=host.address
            )
        )
    for what, text in (("program", host.program), ("python", host.python), ("folder", host.folder)):
        if not text or not text.isprintable() or text.startswith("-") or len(text) > _LONGEST_PATH:
            raise TrainingError(
                message("The host {host} needs --{what}: a path on that machine.", host=host.name, what=what)
            )
    return host


def _fingerprint(host: RemoteHost) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(host, confirmed=""))).hexdigest()[:16]


def is_confirmed(host: RemoteHost) -> bool:
    return host.confirmed.endswith(f" {_fingerprint(host)}")


def confirm(host: RemoteHost) -> RemoteHost:
    """The entry with the stamp that its user confirmed it now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return msgspec.structs.replace(host, confirmed=f"{now} {_fingerprint(host)}")


class Hosts:
    """The hosts of this user, in one JSON file."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or state_folder() / "hosts.json"

    def all(self) -> tuple[RemoteHost, ...]:
        """By name. BadFileError where the file is damaged."""
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=tuple[RemoteHost, ...])
        except FileNotFoundError:
            return ()
        except msgspec.DecodeError as error:
            raise BadFileError(
                message(
                    "{path} does not hold hosts ({error}); correct it, or delete it and set them up again.",
                    path=self._file,
                    error=error,
                )
            ) from error

    def confirmed(self) -> tuple[RemoteHost, ...]:
        return tuple(host for host in self.all() if is_confirmed(host))

    def get(self, name: str) -> RemoteHost:
        """TrainingError where there is none of this name."""
        found = [host for host in self.all() if host.name == name]
        if not found:
            raise TrainingError(
                message("There is no host named {name}; set it up first: marginalia hosts add --help", name=name)
            )
        return checked(found[0])

    def usable(self, name: str) -> RemoteHost:
        """The host, to which may be sent; TrainingError where it was not confirmed as it is now."""
        host = self.get(name)
        if not is_confirmed(host):
            raise TrainingError(
                message(
                    "Nothing is sent to {name} ({destination}) before you have confirmed it: "
                    "marginalia hosts confirm {name}",
                    name=name,
                    destination=destination(host),
                )
            )
        return host

    def put(self, host: RemoteHost) -> None:
        """Add the host, or replace that of the same name."""
        rest = [known for known in self.all() if known.name != host.name]
        self._write(sorted([*rest, checked(host)], key=lambda known: known.name.casefold()))

    def remove(self, name: str) -> None:
        everything = self.all()
        rest = [host for host in everything if host.name != name]
        if len(rest) == len(everything):
            raise TrainingError(message("There is no host named {name}.", name=name))
        self._write(rest)

    def _write(self, hosts: list[RemoteHost]) -> None:
        make_folder(self._file.parent)
        atomic_write(self._file, msgspec.json.format(msgspec.json.encode(hosts)))
