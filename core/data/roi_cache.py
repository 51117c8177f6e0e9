"""Regions of interest that were cut out before, kept as derived arrays of the study and found again one by one.

A file holds those of one input transform, each with the hash of all that its pixels and masks depend on. Whatever
set of lesions is asked for, only those are cut out that no file holds: a model of some classes is opened on the
regions that it was trained on, and a lesion that was drawn anew is the only one that is cut out again.
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

_KEYS = "keys"
_NAMES = ("pixels", "lesion", "fine")
_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class CachedRois:
    """``n`` regions on the stored grid of side S; masks 1 where marked."""

    keys: tuple[bytes, ...]
    """Of everything that the arrays depend on (``key_of``)."""
    pixels: UInt8
    """(n, S, S)"""
    lesion: UInt8
    fine: UInt8
    known: NDArray[np.bool_]
    """(n,) whether the region is there; False rows are to be filled."""


def key_of(inputs: object) -> bytes:
    return hashlib.sha256(msgspec.json.encode(inputs)).digest()


def no_rois(keys: Sequence[bytes], transform: InputTransform) -> CachedRois:
    """None of them is known."""
    size = transform.stored_size
    pixels, lesion, fine = (np.zeros((len(keys), size, size), np.uint8) for _ in _NAMES)
    known = np.zeros(len(keys), np.bool_)
    return CachedRois(keys=tuple(keys), pixels=pixels, lesion=lesion, fine=fine, known=known)


def find_rois(study: Study, keys: Sequence[bytes], transform: InputTransform, version: int) -> CachedRois:
    """Those of these regions that some file of the study holds; damaged files hold none."""
    found = no_rois(keys, transform)
    row_of = {key: row for row, key in enumerate(keys)}
    there = _keys_of_files(study, _prefix(transform, version))
    while there and not found.known.all():
        missing = {key for key, row in row_of.items() if not found.known[row]}
        name = max(there, key=lambda one: len(missing & there[one]))
        if not missing & there.pop(name):
            break
        _take(study, name, found, row_of)
    return found


def keep_rois(study: Study, found: CachedRois, transform: InputTransform, version: int) -> None:
    """Write them as one file of the study, replacing one of the very same regions."""
    name = _prefix(transform, version) + hashlib.sha256(b"".join(found.keys)).hexdigest()[:24]
    keys = np.frombuffer(b"".join(found.keys), dtype=np.uint8).reshape(-1, _KEY_BYTES)
    study.arrays.write_derived(name, {_KEYS: keys, **{one: getattr(found, one) for one in _NAMES}})


def _prefix(transform: InputTransform, version: int) -> str:
    return f"rois-{key_of((version, transform)).hex()[:8]}"


def _keys_of_files(study: Study, prefix: str) -> dict[str, set[bytes]]:
    found = {}
    for name in study.arrays.derived_files():
        if name.startswith(prefix):
            try:
                found[name] = set(_keys(study.arrays.peek_derived(name, _KEYS)))
            except ArrayLostError:
                continue
    return found


def _keys(array: NDArray[np.generic]) -> list[bytes]:
    """Empty for an array that holds none."""
    if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] != _KEY_BYTES:
        return []
    return [row.tobytes() for row in array]


def _take(study: Study, name: str, found: CachedRois, row_of: dict[bytes, int]) -> None:
    """Fill in what this file holds."""
    try:
        arrays, _ = study.arrays.read_derived(name)
    except ArrayLostError:
        return
    there = _keys(arrays[_KEYS]) if _KEYS in arrays else []
    side = found.pixels.shape[1]
    if any(one not in arrays or arrays[one].shape != (len(there), side, side) for one in _NAMES):
        return
    pairs = [(row_of[key], place) for place, key in enumerate(there) if key in row_of]
    rows, places = [row for row, _ in pairs], [place for _, place in pairs]
    for one in _NAMES:
        getattr(found, one)[rows] = arrays[one][places].astype(np.uint8, copy=False)
    found.known[rows] = True
