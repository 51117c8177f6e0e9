"""Whole HDF5 files from and to arrays.

A file is built in memory and written as bytes: on a full disk the HDF5 library can end the process (safety.md,
F4), a plain write cannot. It is opened for reading only ever after, and only through ``open_guarded``: a study
that somebody else made is foreign, and HDF5 can name other files to read from (safety.md, F7).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# before the library starts: it then loads no filter from anywhere, whatever HDF5_PLUGIN_PATH says
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"

import h5py
import numpy as np
from numpy.typing import NDArray

from core.domain.atomic import atomic_write
from core.domain.errors import ArrayLostError

Array = NDArray[Any]

SCHEMA = 1
_CHUNK = 256
_GROWTH = 1 << 22

_LARGEST_ARRAY = 4 << 30
_SMALL = 1 << 20
_MOST_PACKED = 1100
"""Bytes of an array to bytes stored; deflate reaches 1,030 on constants."""
_MOST_NAMES = 4096
_LARGEST_ATTRIBUTE = 1 << 22
_FILTERS = frozenset(
    {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF}
)


class HostileArrayError(ValueError):
    """An HDF5 file that asks for what no file of this program holds; the text says what."""


@contextlib.contextmanager
def open_guarded(path: Path) -> Iterator[h5py.File]:
    """The file for reading, after everything in it was looked at and nothing was read.

    HostileArrayError for links, groups, arrays stored in or assembled from other files, foreign filters, kinds
    other than numbers and texts, and arrays that announce more than 4 GiB or 1,100 times what is stored.
    OSError, KeyError or RuntimeError where it is damaged.
    """
    with h5py.File(path, "r", locking=False) as file:
        _guard(file)
        yield file


def _guard(file: h5py.File) -> None:
    if len(file) > _MOST_NAMES:
        raise HostileArrayError("too many names")
    for index in range(h5py.h5a.get_num_attrs(file.id)):
        attribute = h5py.h5a.open(file.id, index=index)
        if attribute.get_storage_size() > _LARGEST_ATTRIBUTE or attribute.dtype.kind not in "iufOSU":
            raise HostileArrayError("an attribute of another kind")
    for name in file:
        if type(file.get(name, getlink=True)) is not h5py.HardLink:
            raise HostileArrayError(f"{name} is a link to somewhere else")
        array = file[name]
        if not isinstance(array, h5py.Dataset):
            raise HostileArrayError(f"{name} is no array")
        _guard_array(name, array)


def _guard_array(name: str, array: h5py.Dataset) -> None:
    # in this order: the size of an array assembled from other files is found by opening them
    plist = array.id.get_create_plist()
    if plist.get_layout() == h5py.h5d.VIRTUAL or plist.get_external_count():
        raise HostileArrayError(f"{name} lies in other files")
    if {plist.get_filter(i)[0] for i in range(plist.get_nfilters())} - _FILTERS:
        raise HostileArrayError(f"{name} needs a filter that is not used here")
    text = h5py.check_string_dtype(array.dtype) is not None
    if array.dtype.kind not in "biufc" and not text:
        raise HostileArrayError(f"{name} holds neither numbers nor texts")
    size = int(array.size or 0) * array.dtype.itemsize
    stored = array.id.get_storage_size()
    if size > _LARGEST_ARRAY or (size > _SMALL and size > _MOST_PACKED * stored) or (size and not stored):
        raise HostileArrayError(f"{name} announces {size:,} bytes and stores {stored:,}")


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
        with open_guarded(path) as file:
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
    except HostileArrayError as error:
        raise ArrayLostError(
            f"{path.parent.name}/{path.name} was not read: {error}. It was not written by this program; restore "
            "it from a copy that you trust."
        ) from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError) as error:
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
