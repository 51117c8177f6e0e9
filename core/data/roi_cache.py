"""Cache of regions of interest: regions that were already cut out are read from derived arrays of the study.

A file holds regions of one input transform. Each region has a key, the hash of all that its pixels and masks
depend on. It also has a slot, which identifies its subject (a lesion, for one choice of readers). Only regions
that no file holds are cut out, and only those are written, as one more file. A region is stale when a newer file
holds another region of its slot. Files are merged when there are many of them, or when a sixth of their regions is
stale. So the cache stays in proportion to the regions in use, however often annotations change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.data.roi_set import InputTransform, UInt8
from core.domain.errors import ArrayLostError
from core.store.study import Study

Rows = NDArray[np.intp]

_VERSION = 2
"""Version of the extraction: increase it wherever the same inputs give other arrays."""
_LAYOUT = "roi-cache"
_KEYS, _SLOTS = "keys", "slots"
_NAMES = ("pixels", "lesion", "fine")
_HASH_BYTES = 32
_MOST_FILES = 8
_MOST_ROWS = 1.2
"""Regions in the files, as a multiple of those that are not stale."""
_BLOCK = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class CachedRois:
    """``n`` regions on the stored grid of side S; masks are 1 where marked."""

    keys: tuple[bytes, ...]
    """Hash of everything that the arrays depend on, for each region (``key_of``)."""
    pixels: UInt8
    """(n, S, S)"""
    lesion: UInt8
    fine: UInt8
    known: NDArray[np.bool_]
    """(n,) False for rows that are still to be filled."""


def key_of(inputs: object) -> bytes:
    return hashlib.sha256(msgspec.json.encode(inputs)).digest()


def no_rois(keys: Sequence[bytes], transform: InputTransform) -> CachedRois:
    """Empty regions with these keys, none of them known."""
    size = transform.stored_size
    pixels, lesion, fine = (np.zeros((len(keys), size, size), np.uint8) for _ in _NAMES)
    known = np.zeros(len(keys), np.bool_)
    return CachedRois(keys=tuple(keys), pixels=pixels, lesion=lesion, fine=fine, known=known)


def find_rois(study: Study, keys: Sequence[bytes], transform: InputTransform) -> CachedRois:
    """The regions with these keys, with ``known`` False where no file of the study holds one."""
    found = no_rois(keys, transform)
    row_of = {key: row for row, key in enumerate(keys)}
    for file in _files(study, _prefix(transform)):
        missing = {key for key, row in row_of.items() if not found.known[row]}
        if not missing:
            break
        if not missing.isdisjoint(file.keys):
            _take(study, file, found, {key: row_of[key] for key in missing})
    return found


def keep_rois(
    study: Study, found: CachedRois, new: Rows, slots: Sequence[bytes], transform: InputTransform
) -> None:
    """Write the rows ``new`` of ``found`` as one more file, then merge files where that is due.

    ``slots``: one for each row of ``found``, see the module's text.
    """
    prefix = _prefix(transform)
    _delete_old_layouts(study)
    entries = _Entries(
        keys=[found.keys[row] for row in new],
        slots=[slots[row] for row in new],
        arrays={name: getattr(found, name)[new] for name in _NAMES},
    )
    files = _files(study, prefix)
    _merge(study, prefix, [_write(study, prefix, entries, files), *files])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Entries:
    keys: list[bytes]
    slots: list[bytes]
    arrays: dict[str, UInt8]


@dataclass(frozen=True, kw_only=True)
class _File:
    """Keys and slots of one file, in the order of its rows."""

    name: str
    keys: list[bytes]
    slots: list[bytes]


def _prefix(transform: InputTransform) -> str:
    return f"{_LAYOUT}-{key_of((_VERSION, transform)).hex()[:8]}-"


def _files(study: Study, prefix: str) -> list[_File]:
    """Files of this transform, the newest first; damaged files are left out."""
    files = []
    for name in sorted((one for one in study.arrays.derived_files() if one.startswith(prefix)), reverse=True):
        try:
            keys, slots = (_hashes(study.arrays.peek_derived(name, array)) for array in (_KEYS, _SLOTS))
        except ArrayLostError:
            continue
        if len(keys) == len(slots):
            files.append(_File(name=name, keys=keys, slots=slots))
    return files


def _write(study: Study, prefix: str, entries: _Entries, files: Sequence[_File]) -> _File:
    """Write a file that is newer than ``files``."""
    numbers = [int(one.name.removeprefix(prefix)) for one in files]
    name = f"{prefix}{max(numbers, default=0) + 1:08d}"
    arrays = {_KEYS: _table(entries.keys), _SLOTS: _table(entries.slots), **entries.arrays}
    study.arrays.write_derived(name, arrays)
    return _File(name=name, keys=entries.keys, slots=entries.slots)


def _current_rows(files: Sequence[_File]) -> dict[str, list[int]]:
    """For each file its rows that no newer row replaces, by slot or by key."""
    seen: set[bytes] = set()
    current: dict[str, list[int]] = {}
    for file in files:
        rows = []
        for row in reversed(range(len(file.keys))):
            if file.slots[row] not in seen and file.keys[row] not in seen:
                rows.append(row)
            seen |= {file.slots[row], file.keys[row]}
        current[file.name] = rows[::-1]
    return current


def _merge(study: Study, prefix: str, files: Sequence[_File]) -> None:
    """Merge all ``files`` (the newest first) if many regions are stale, else all but the largest if many."""
    current = _current_rows(files)
    rows, used = sum(len(file.keys) for file in files), sum(map(len, current.values()))
    if rows > used * _MOST_ROWS:
        chosen = files
    elif len(files) > _MOST_FILES:
        largest = max(files, key=lambda file: len(file.keys))
        chosen = [file for file in files if file is not largest]
    else:
        return
    parts = []
    for file in reversed(chosen):  # the oldest first, so that rows stay in the order in which they were written
        try:
            arrays, _ = study.arrays.read_derived(file.name)
        except ArrayLostError:
            continue
        keep = current[file.name]
        parts.append(
            _Entries(
                keys=[file.keys[row] for row in keep],
                slots=[file.slots[row] for row in keep],
                arrays={name: arrays[name][keep].astype(np.uint8, copy=False) for name in _NAMES},
            )
        )
    if any(part.keys for part in parts):
        merged = _Entries(
            keys=[key for part in parts for key in part.keys],
            slots=[slot for part in parts for slot in part.slots],
            arrays={name: np.concatenate([part.arrays[name] for part in parts]) for name in _NAMES},
        )
        _write(study, prefix, merged, files)
    for file in chosen:
        study.arrays.delete_derived(file.name)


def _delete_old_layouts(study: Study) -> None:
    """Delete what earlier versions kept: one file for every set of lesions, never deleted."""
    for name in study.arrays.derived_files():
        if name.startswith("rois-"):
            study.arrays.delete_derived(name)


def _table(hashes: Sequence[bytes]) -> UInt8:
    return np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(-1, _HASH_BYTES)


def _hashes(array: NDArray[np.generic]) -> list[bytes]:
    """Rows of a table of hashes; empty for an array that is none."""
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != _HASH_BYTES:
        return []
    return [row.tobytes() for row in array]


def _take(study: Study, file: _File, found: CachedRois, row_of: dict[bytes, int]) -> None:
    """Copy what this file holds into ``found``, a block at a time, so that memory stays at one set of regions."""
    try:
        arrays, _ = study.arrays.read_derived(file.name)
    except ArrayLostError:
        return
    side = found.pixels.shape[1]
    if any(name not in arrays or arrays[name].shape != (len(file.keys), side, side) for name in _NAMES):
        return
    pairs = [(row_of[key], place) for place, key in enumerate(file.keys) if key in row_of]
    for start in range(0, len(pairs), _BLOCK):
        rows, places = (list(side) for side in zip(*pairs[start : start + _BLOCK], strict=True))
        for name in _NAMES:
            getattr(found, name)[rows] = arrays[name][places]
        found.known[rows] = True
