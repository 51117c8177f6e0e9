"""Whole HDF5 files from and to arrays.

The library lays a file out in memory and returns where each array belongs. Head and arrays are then written as
bytes. On a full disk the HDF5 library can end the process (safety.md, F4); a plain write cannot.

Afterwards a file is opened only for reading, and only through ``open_guarded``. A study that somebody else made is
foreign, and HDF5 can name other files to read from (safety.md, F7).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.domain.messages import message

# before the library starts: it then loads no filter from anywhere, whatever HDF5_PLUGIN_PATH says
os.environ["HDF5_PLUGIN_PRELOAD"] = "::"

import h5py
import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.content import content_sha256
from core.domain.errors import ArrayLostError
from core.platform.atomic import atomic_write
from core.platform.regular import is_regular
from core.store.page_buffer import PageBuffers, Parts, write_parts

Array = NDArray[Any]

SCHEMA = 3
"""1: chunked, with the library's checksum a chunk. 2: each array in one piece, its CRC-32 among the attributes
(of the pixels of an image their content hash). 3: large pixels may be packed (``core.store.packed``)."""
_CHECKED_BY_LIBRARY = 1
_CHECKS = "crc32"
_NO_HASH = b"0" * 64

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
    """HDF5 file that requests what no file of this program contains; the text names it."""


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
            raise HostileArrayError(f"{name} is not an array")
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


def write_arrays(
    path: Path, arrays: Mapping[str, Array], *, sha256: str, hashed: str = "", buffers: PageBuffers | None = None
) -> None:
    """Put the arrays into a new file at ``path``, with the version of the layout and the given hash (hex).

    ``hashed``: the array whose content hash that is, by which it is checked when it is read; the others get a CRC.
    ``buffers``: to write it past the system's cache, where nobody will read it soon.
    Uncompressed and each in one piece, straight from its own memory: chunks with the library's checksum took three
    times as long, and on synthetic pictures lzf and gzip 1 saved half the space and took 5 to 20 times as long.
    """
    if len(sha256) != len(_NO_HASH):
        raise ValueError(f"{sha256!r} is not a SHA-256")
    whole = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    checks = {name: zlib.crc32(_bytes_of(array)) for name, array in whole.items() if name != hashed}
    layout = _layout(tuple((name, array.dtype.str, array.shape) for name, array in whole.items()), hashed)
    head = [(at, layout.filled(part, sha256, _words(checks))) for at, part in layout.head]
    parts: Parts = [*head, *((at, _bytes_of(whole[name])) for name, at in layout.places)]
    write = write_parts if buffers is None else buffers.write
    atomic_write(path, lambda temporary: write(temporary, parts, layout.size))


def _words(checks: Mapping[str, int]) -> str:
    """JSON of the CRCs, of the same length for the same names."""
    return "{" + ",".join(f"{msgspec.json.encode(name).decode()}:{crc:10d}" for name, crc in checks.items()) + "}"


class _Layout(msgspec.Struct, frozen=True):
    """A file of arrays of certain names, types and shapes, without them: images of one size share it."""

    head: tuple[tuple[int, bytes], ...]
    """Bytes that the library itself writes, with zeros in place of the hash and the CRCs."""
    places: tuple[tuple[str, int], ...]
    """Name and start position of each array that is not empty."""
    size: int
    no_words: bytes

    def filled(self, part: bytes, sha256: str, words: str) -> bytes:
        return part.replace(_NO_HASH, sha256.encode()).replace(self.no_words, words.encode())


@lru_cache(maxsize=32)
def _layout(kinds: tuple[tuple[str, str, tuple[int, ...]], ...], hashed: str) -> _Layout:
    plan, no_words = _Plan(), _words({name: 0 for name, _, _ in kinds if name != hashed})
    attributes: dict[str, int | str] = {"schema": SCHEMA, "sha256": _NO_HASH.decode(), _CHECKS: no_words}
    places = _lay_out(plan, kinds, attributes)
    return _Layout(tuple(plan.parts), tuple(places.items()), plan.end, no_words.encode())


class _Plan(io.RawIOBase):
    """Stands for the file while the library lays it out: keeps what it writes of its own, which are no arrays."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[tuple[int, bytes]] = []
        """Position and bytes of each part, in the order of writing."""
        self.end = 0
        self._at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, content: Any) -> int:
        part = bytes(content)
        self.parts.append((self._at, part))
        self._at += len(part)
        self.end = max(self.end, self._at)
        return len(part)

    def truncate(self, size: int | None = None) -> int:
        self.end = self._at if size is None else size
        return self.end


def _lay_out(
    buffer: _Plan, kinds: Iterable[tuple[str, str, tuple[int, ...]]], attributes: Mapping[str, int | str]
) -> dict[str, int]:
    """Lay the file out and return the start position of each array that is not empty."""
    places = {}
    with h5py.File(buffer, "w") as file:
        for key, value in attributes.items():
            file.attrs[key] = value
        for name, dtype, sides in kinds:
            room = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            room.set_layout(h5py.h5d.CONTIGUOUS)
            room.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            room.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            room.set_obj_track_times(False)  # the same arrays make the same bytes
            kind = h5py.h5t.py_create(np.dtype(dtype), logical=True)
            shape = h5py.h5s.create_simple(sides) if sides else h5py.h5s.create(h5py.h5s.SCALAR)
            made = h5py.h5d.create(file.id, name.encode(), kind, shape, dcpl=room)
            if 0 not in sides:
                places[name] = made.get_offset()
    return places


def _bytes_of(array: Array) -> memoryview:
    """The memory of an array in C order."""
    return array.reshape(-1).view(np.uint8).data


def read_arrays(
    path: Path, names: tuple[str, ...] | None = None, *, optional: tuple[str, ...] = ()
) -> tuple[dict[str, Array], str]:
    """The arrays of these names (all), those ``optional`` ones that the file has, and the stored hash.

    ArrayLostError where any of it cannot be had.
    """
    if not is_regular(path):
        raise ArrayLostError(
            message(
                "{folder}/{file} is missing from the study; rebuild or restore it.",
                folder=path.parent.name,
                file=path.name,
            )
        )
    try:
        with open_guarded(path) as file:
            schema = int(file.attrs["schema"])
            if schema > SCHEMA:
                raise ArrayLostError(
                    message(
                        "{folder}/{file} was written by a newer version of Marginalia.",
                        folder=path.parent.name,
                        file=path.name,
                    )
                )
            chosen = tuple(file) if names is None else (*names, *(name for name in optional if name in file))
            arrays, sha256 = {name: file[name][()] for name in chosen}, str(file.attrs["sha256"])
            if schema > _CHECKED_BY_LIBRARY:
                _check(arrays, sha256, str(file.attrs[_CHECKS]))
            return arrays, sha256
    except PermissionError as error:
        sentence = message(
            "{folder}/{file} cannot be read with your permissions; change them.",
            folder=path.parent.name,
            file=path.name,
        )
        raise ArrayLostError(sentence) from error
    except HostileArrayError as error:
        raise ArrayLostError(
            message(
                "{folder}/{file} was not read: {error}. It was not written by this program; restore "
                "it from a copy that you trust.",
                folder=path.parent.name,
                file=path.name,
                error=error,
            )
        ) from error
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise ArrayLostError(
            message(
                "{folder}/{file} is damaged ({error}); rebuild or restore it.",
                folder=path.parent.name,
                file=path.name,
                error=type(error).__name__,
            )
        ) from error


def _check(arrays: Mapping[str, Array], sha256: str, checks: str) -> None:
    """ValueError where an array is not what was written; the one without a CRC is the one that was hashed."""
    expected = msgspec.json.decode(checks, type=dict[str, int])
    for name, array in arrays.items():
        crc = expected.get(name)
        good = content_sha256(array) == sha256 if crc is None else zlib.crc32(_bytes_of(np.asarray(array))) == crc
        if not good:
            raise ValueError(f"{name} is not what was written")


def arrays_sha256(arrays: Mapping[str, Array]) -> str:
    """Return the hash over names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {arrays[name].shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
