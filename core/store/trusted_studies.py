"""Which studies on this computer its user made or checked: all others are foreign and are checked before use.

A study is known by its folder, by its database file and by its own identifier, so that another one that is put in
its place is foreign again. Its file must also be as this program left it here: one that another program changed
in place, or this program on another computer, is checked again. Times are compared that no user can set (of the
change of the file's entry); while a program has the study open, or after it was killed, they say nothing and are
not compared.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError, MarginaliaError, StorageFullError
from core.platform.atomic import atomic_write, make_folder
from core.platform.places import state_folder
from core.platform.regular import is_regular, open_regular
from core.platform.system import try_lock, unlock
from core.store.names import DATABASE, database_file
from core.store.quick import quick_study_id
from core.store.write_lock import LOCK, read_holder

_FILE = "studies.json"
_MOST = 1000


class KnownStudy(msgspec.Struct, frozen=True, kw_only=True):
    """Record of a study on this computer."""

    study_id: str
    inode: int
    state: str = ""
    """Size and times of the closed database; "" while this program has it open for writing."""


def mark_trusted(folder: Path) -> bool:
    """From now on this study, as it is, is known; False where that cannot be kept: the window will ask again."""
    return _keep(folder, _present(folder))


def mark_open(folder: Path) -> None:
    """The study is being changed by this program: it stays known if that is killed."""
    _keep(folder, msgspec.structs.replace(_present(folder), state=""))


def is_known(folder: Path) -> bool:
    """Return True if the study in this folder was marked as trusted and is as it was left."""
    known = entry_of(folder)
    # the database is opened only where the file itself is the known one
    if known is None or known.inode != _inode(folder):
        return False
    present = _present(folder)
    if known.study_id != present.study_id:
        return False
    return not known.state or known.state == present.state or _held_by_another(folder)


def entry_of(folder: Path) -> KnownStudy | None:
    """Return what is kept of the study in this folder, whatever lies there now; None without an entry."""
    return _read().get(str(folder.absolute()))


def _keep(folder: Path, entry: KnownStudy) -> bool:
    known = _read()
    known.pop(str(folder.absolute()), None)
    known[str(folder.absolute())] = entry
    kept = dict(list(known.items())[-_MOST:])
    try:
        make_folder(state_folder())
        atomic_write(state_folder() / _FILE, msgspec.json.encode(kept))
    except StorageFullError:
        return False
    return True


def _read() -> dict[str, KnownStudy]:
    try:
        return msgspec.json.decode((state_folder() / _FILE).read_bytes(), type=dict[str, KnownStudy])
    except (OSError, msgspec.MsgspecError):
        return {}


def _present(folder: Path) -> KnownStudy:
    if not is_regular(database_file(folder)):
        return KnownStudy(study_id="", inode=-1)
    try:
        name = quick_study_id(folder)
    except MarginaliaError:
        name = ""
    return KnownStudy(study_id=name, inode=_inode(folder), state=_state(folder))


def _state(folder: Path) -> str:
    """Size and times of the database and of its log, which is empty or missing where the study was closed.

    "" of a database on a server, which many change.
    """
    if database_file(folder).name != DATABASE:
        return ""
    found = (folder / DATABASE).stat()
    log = folder / f"{DATABASE}-wal"
    waiting = log.stat().st_size if log.exists() else 0
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {waiting}"


def _held_by_another(folder: Path) -> bool:
    """Return True if another process has the study open for writing: its lock is taken, no file can claim that."""
    holder = read_holder(folder)
    if holder is None or holder.pid == os.getpid():
        return False
    try:
        with open_regular(folder / LOCK, os.O_RDWR, mode="rb+") as file:
            held = not try_lock(file)
            if not held:
                unlock(file)
            return held
    except (OSError, BadFileError):
        return False


def _inode(folder: Path) -> int:
    try:
        return database_file(folder).stat().st_ino
    except OSError:
        return -1
