"""Whole HDF5 files from and to arrays.

A file is built in memory and written as bytes: on a full disk the HDF5 library can end the process (safety.md,
F4), a plain write cannot. It is opened for reading only ever after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from core.domain.atomic import atomic_write
from core.domain.errors import ArrayLostError

Array = NDArray[Any]

SCHEMA = 1
_CHUNK = 256
_GROWTH = 1 << 22


def write_arrays(path: Path, arrays: Mapping[str, Array], *, sha256: str) -> None:
    """Put the arrays into a new file at ``path``, with the version of the layout and the given hash.

    Chunked with a checksum per chunk and uncompressed: on synthetic pictures lzf and gzip 1 made building the file
    5 to 20 times slower and saved half the space.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False, block_size=_GROWTH) as file:
        file.attrs["schema"] = SCHEMA
        file.attrs["sha256"] = sha256
        for name, array in arrays.items():
            if array.ndim and array.size:
                file.create_dataset(name, data=array, chunks=_chunks(array), fletcher32=True)
            else:
                file.create_dataset(name, data=array)
        file.flush()
        image = file.id.get_file_image()
    atomic_write(path, image)


def read_arrays(path: Path, names: tuple[str, ...] | None = None) -> tuple[dict[str, Array], str]:
    """The arrays of these names (all) and the stored hash; ArrayLostError where any of it cannot be had."""
    if not path.is_file():
        raise ArrayLostError(f"{path.parent.name}/{path.name} is missing from the study; rebuild or restore it.")
    try:
        with h5py.File(path, "r", locking=False) as file:
            schema = int(file.attrs["schema"])
            if schema > SCHEMA:
                raise ArrayLostError(
                    f"{path.parent.name}/{path.name} was written by a newer version of Marginalia."
                )
            chosen = tuple(file) if names is None else names
            return {name: file[name][()] for name in chosen}, str(file.attrs["sha256"])
    except PermissionError as error:
        sentence = f"{path.parent.name}/{path.name} may not be read by you; change its permissions."
        raise ArrayLostError(sentence) from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise ArrayLostError(
            f"{path.parent.name}/{path.name} is damaged ({type(error).__name__}); rebuild or restore it."
        ) from error


def arrays_sha256(arrays: Mapping[str, Array]) -> str:
    """Of names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _chunks(array: Array) -> tuple[int, ...]:
    """Equal pieces of at most 256 along the last two axes, 1 along those before (so that edges waste little)."""
    sides = array.shape[-2:] if array.ndim > 1 else ()
    if not sides:
        return (min(array.shape[0], _CHUNK * _CHUNK),)
    pieces = tuple(-(-n // -(-n // _CHUNK)) for n in sides)
    rows = max(1, _CHUNK * _CHUNK // (pieces[0] * pieces[1]))
    leading = array.shape[:-2]
    return (*(1 for _ in leading[:-1]), *(min(n, rows) for n in leading[-1:]), *pieces)
