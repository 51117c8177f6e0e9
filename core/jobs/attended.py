"""The lock of a run that a process of this program is training; it ends with the process.

A training that was started with the command line ends when that is killed, and nothing records the end.
The lock shows later whether the run is still being trained.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from core.domain.errors import BadFileError
from core.platform.regular import open_regular
from core.platform.system import try_lock, unlock

LOCK = "attended.lock"


@contextlib.contextmanager
def attended(folder: Path) -> Iterator[None]:
    """Inside, ``is_attended`` is true of this folder in every process."""
    with open_regular(folder / LOCK, os.O_RDWR | os.O_APPEND | os.O_CREAT, mode="ab+") as file:
        try_lock(file)
        try:
            yield
        finally:
            unlock(file)


def is_attended(folder: Path) -> bool:
    """Return True if a process attends to the run of this folder now."""
    try:
        with open_regular(folder / LOCK, os.O_RDWR | os.O_APPEND, mode="ab+") as file:
            if not try_lock(file):
                return True
            unlock(file)
    except (OSError, BadFileError):
        return False
    return False
