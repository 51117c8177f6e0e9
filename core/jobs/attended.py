"""A run that a process of this program attends to, from its start to its end: a lock that ends with the process.

A training that was started with the command line ends when that is killed, and nobody is left to record it.
Whoever looks at the run later tells by the lock whether it is being trained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from core.platform.system import try_lock, unlock

LOCK = "attended.lock"


@contextlib.contextmanager
def attended(folder: Path) -> Iterator[None]:
    """Inside, ``is_attended`` is true of this folder in every process."""
    with (folder / LOCK).open("ab") as file:
        try_lock(file)
        try:
            yield
        finally:
            unlock(file)


def is_attended(folder: Path) -> bool:
    """Return True if a process attends to the run of this folder now."""
    try:
        with (folder / LOCK).open("r+b") as file:
            if not try_lock(file):
                return True
            unlock(file)
    except OSError:
        return False
    return False
