"""Opening regular files only: a pipe or a device in the place of a file can hang, and a link leads elsewhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

from core.domain.errors import BadFileError
from core.domain.messages import message

_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def is_regular(path: Path) -> bool:
    """Return True if there is a regular file at this place itself; False if that cannot be determined."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def open_regular(path: Path, flags: int = os.O_RDONLY, *, mode: str = "rb") -> IO[bytes]:
    """Open a regular file; ``flags`` as of ``os.open``, ``mode`` as of ``os.fdopen``.

    Raises: BadFileError for a link, a pipe, a device or a folder, OSError as ``open`` does.
    """
    try:
        descriptor = os.open(path, flags | _CAREFUL, 0o600)
    except OSError:
        if path.is_symlink() or (path.exists() and not is_regular(path)):
            raise _strange(path) from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _strange(path)
        return os.fdopen(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise


def refuse_strange(folder: Path, files: tuple[str, ...], folders: tuple[str, ...]) -> None:
    """BadFileError where one of these names in ``folder`` is neither missing nor a regular file, or a folder."""
    for names, wanted in ((files, stat.S_ISREG), (folders, stat.S_ISDIR)):
        for name in names:
            try:
                found = (folder / name).lstat().st_mode
            except OSError:
                continue
            if not wanted(found):
                raise _strange(folder / name)


def _strange(path: Path) -> BadFileError:
    what = message("a link to another place") if path.is_symlink() else message("not a regular file or folder")
    return BadFileError(
        message(
            "{file} in {folder} is {what}; nothing behind it was read or written. A study holds its files "
            "itself: put the file or folder there, or restore the study from a backup.",
            file=path.name,
            folder=path.parent,
            what=what,
        )
    )
