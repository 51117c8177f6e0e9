"""Pixels that earlier versions stored as they were, packed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.store.study import Study


class Compressed(msgspec.Struct, frozen=True, kw_only=True):
    files: int = 0
    saved_bytes: int = 0


def compress_pixels(study: Study, *, progress: Callable[[int, int], None]) -> Compressed:
    """Pack every file of pixels that is not packed; each is replaced in one step, none of its pixels changes.

    ArrayLostError at the first damaged file: those before it are packed, it and the rest are as they were.
    """
    names = study.arrays.pixel_files()
    saved = []
    for done, name in enumerate(names):
        saved.append(study.arrays.pack_pixels(name))
        progress(done + 1, len(names))
    return Compressed(files=sum(one > 0 for one in saved), saved_bytes=sum(saved))
