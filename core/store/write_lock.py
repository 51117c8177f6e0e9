"""One writer at a time: the owner of a study's write lock, and taking the lock.

``study.lock`` carries the operating system's lock, which ends with the process however it ends. ``holder.json``
beside it names the owner, for the sentence shown to a second one. On a system without such locks the process
number decides.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
from pathlib import Path
from typing import IO

import msgspec

from core.domain.errors import BadFileError, StudyLockedError
from core.domain.messages import Sentence, joined, message
from core.platform.atomic import atomic_write, storage_error
from core.platform.regular import open_regular
from core.platform.system import process_alive, try_lock, unlock
from core.store.database import now_utc

LOCK, HOLDER = "study.lock", "holder.json"
_LONGEST = 10_000


class LockOwner(msgspec.Struct, frozen=True, kw_only=True):
    """Owner of a study that is open for writing."""

    holder: str
    """The name that the program was started with: a person or a job."""
    user: str
    host: str
    pid: int
    since_utc: str

    @property
    def sentence(self) -> Sentence:
        """Who it is, for the sentence shown to a second one."""
        return message(
            "{holder} ({user} on {host}, process {pid}, since {since} UTC)",
            holder=self.holder,
            user=self.user,
            host=self.host,
            pid=str(self.pid),
            since=self.since_utc[:19],
        )

    def __str__(self) -> str:
        return str(self.sentence)


def user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


class WriteLock:
    """The hold on a study, from ``take`` to ``release``."""

    def __init__(self, folder: Path, file: IO[bytes], *, found: LockOwner | None = None) -> None:
        self._folder = folder
        self._file = file
        self.found = found
        """Previous owner that did not release the lock; None if the study was closed."""

    @classmethod
    def take(cls, folder: Path, holder: str) -> WriteLock:
        """Take hold or raise StudyLockedError, which names the holder.

        What a dead process of this computer left is cleared. A hold from another computer is not: whether that
        process lives cannot be seen from here.
        """
        file = _open(folder / LOCK)
        try:
            if not try_lock(file):
                raise StudyLockedError(_refusal(folder, read_holder(folder)))
            old = read_holder(folder)
            if old is not None and _may_live(old, locks_work=_excludes(folder / LOCK)):
                raise StudyLockedError(_refusal(folder, old))
            mine = LockOwner(
                holder=holder or user_name(),
                user=user_name(),
                host=platform.node(),
                pid=os.getpid(),
                since_utc=now_utc(),
            )
            atomic_write(folder / HOLDER, msgspec.json.encode(mine))
        except BaseException:
            file.close()
            raise
        return cls(folder, file, found=old)

    def release(self) -> None:
        with contextlib.suppress(OSError):
            (self._folder / HOLDER).unlink(missing_ok=True)
        unlock(self._file)
        self._file.close()


def read_holder(folder: Path) -> LockOwner | None:
    """Return the recorded owner of the study; None if there is none or the record cannot be read."""
    try:
        with open_regular(folder / HOLDER) as file:
            return msgspec.json.decode(file.read(_LONGEST), type=LockOwner)
    except (OSError, BadFileError, msgspec.DecodeError):
        return None


def present_holder(folder: Path) -> LockOwner | None:
    """Return the present owner of the study; a lock left by a dead process of this computer does not count."""
    found = read_holder(folder)
    if found is None or (found.host == platform.node() and not process_alive(found.pid)):
        return None
    return found


def _open(path: Path) -> IO[bytes]:
    try:
        return open_regular(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode="ab+")
    except OSError as error:
        sentence = storage_error(error, path)
        if sentence is None:
            raise
        raise sentence from error


def _excludes(path: Path) -> bool:
    """Return True if the system's lock, which this process just took, excludes a second handle."""
    with open_regular(path, os.O_RDWR | os.O_APPEND, mode="ab+") as second:
        taken = try_lock(second)
        if taken:
            unlock(second)
        return not taken


def _may_live(old: LockOwner, *, locks_work: bool) -> bool:
    if old.host != platform.node():
        return True
    # on this computer the free lock proves that the holder is gone (or holds the folder this is a copy of)
    return not locks_work and process_alive(old.pid)


def _refusal(folder: Path, holder: LockOwner | None) -> Sentence:
    if holder is None:
        return message(
            "The study in {folder} is in use by another program. Close it there, or wait until it is closed.",
            folder=folder,
        )
    sentence = message(
        "The study in {folder} is in use by {holder}. Close it there, or wait until it is closed.",
        folder=folder,
        holder=holder.sentence,
    )
    if holder.host != platform.node():
        gone = message("If that program is gone for certain, delete {file} in the study's folder.", file=HOLDER)
        return joined([sentence, gone])
    return sentence
