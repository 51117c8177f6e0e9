"""Which studies on this computer its user made or checked: all others are foreign and are checked before use.

A study is known by its folder, by its database file and by its own identifier, so that another one that is put in
its place is foreign again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.domain.errors import MarginaliaError, StorageFullError
from core.platform.atomic import atomic_write, make_folder
from core.platform.places import state_folder
from core.platform.regular import is_regular
from core.store.names import database_file
from core.store.quick import quick_study_id

_FILE = "studies.json"
_MOST = 1000


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    study_id: str
    inode: int


def mark_trusted(folder: Path) -> bool:
    """From now on this study is known; False where that cannot be kept, and the window will ask again."""
    folder = folder.absolute()
    known = _read()
    known.pop(str(folder), None)
    known[str(folder)] = _present(folder)
    kept = dict(list(known.items())[-_MOST:])
    try:
        make_folder(state_folder())
        atomic_write(state_folder() / _FILE, msgspec.json.encode(kept))
    except StorageFullError:
        return False
    return True


def is_known(folder: Path) -> bool:
    """Return True if the study in this folder was marked as trusted."""
    folder = folder.absolute()
    known = _read().get(str(folder))
    # the database is opened only where the file itself is the known one
    return known is not None and known.inode == _inode(folder) and known == _present(folder)


def _read() -> dict[str, _Known]:
    try:
        return msgspec.json.decode((state_folder() / _FILE).read_bytes(), type=dict[str, _Known])
    except (OSError, msgspec.MsgspecError):
        return {}


def _present(folder: Path) -> _Known:
    file = database_file(folder)
    if not is_regular(file):
        return _Known(study_id="", inode=-1)
    try:
        name = quick_study_id(folder)
    except MarginaliaError:
        name = ""
    return _Known(study_id=name, inode=_inode(folder))


def _inode(folder: Path) -> int:
    try:
        return database_file(folder).stat().st_ino
    except OSError:
        return -1
