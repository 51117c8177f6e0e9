"""Writing large files past the system's cache, from memory that goes from one file to the next.

An import writes every picture once and reads none of them: in the cache they would push out what is in use. On a
virtual machine, pages of the cache that were never used before took ten times the processor time of the writing.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np

from core.platform.system import write_past_cache

Parts = Sequence[tuple[int, bytes | memoryview]]
"""Parts of a file as position and bytes; a later part overwrites an earlier one."""


def write_parts(path: Path, parts: Parts, size: int) -> None:
    """Fill an existing empty file of ``size`` bytes; what no part covers is zero."""
    with path.open("rb+") as file:
        for at, part in parts:
            file.seek(at)
            file.write(part)
        file.truncate(size)


class PageBuffers:
    """Gives each writing thread memory that begins at a page; at most as many as write at once are kept."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[mmap.mmap] = SimpleQueue()

    def write(self, path: Path, parts: Parts, size: int) -> None:
        """Write like ``write_parts``, past the cache where this system and file system can."""
        rounded = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = self._taken(rounded)
        try:
            _fill(memory, parts, rounded)
            written = write_past_cache(path, memoryview(memory)[:rounded], size)
        finally:
            self._idle.put(memory)
        if not written:
            write_parts(path, parts, size)

    def _taken(self, size: int) -> mmap.mmap:
        try:
            memory = self._idle.get_nowait()
        except Empty:
            return mmap.mmap(-1, size)
        return memory if len(memory) >= size else mmap.mmap(-1, size)


def _fill(memory: mmap.mmap, parts: Parts, size: int) -> None:
    """Lay the parts out; between them nothing of the file before is left."""
    whole, end = np.frombuffer(memory, np.uint8, size), 0
    for at, length in sorted((at, len(part)) for at, part in parts):
        whole[end:at] = 0
        end = max(end, at + length)
    whole[end:] = 0
    for at, part in parts:
        whole[at : at + len(part)] = np.frombuffer(part, np.uint8)
