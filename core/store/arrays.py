"""The array files of a study: ``pixels/<image id>.h5`` cannot be remade, ``derived/<name>.h5`` can.

Pixels are decoded stored values in their own type (uint8, uint16 or int16), before any lookup table. Level 0 is
the mammogram; each further level halves it, averaged over areas, until the longer side is below 512 px. Every
level covers exactly the box of level 0, also where a side is odd and is rounded up. The slices of a tomosynthesis
are files of their own (``<image id>.f0001.h5`` for the second), so that one is read without the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from core.domain.content import content_sha256
from core.domain.errors import ArrayLostError, StudyError
from core.domain.messages import message
from core.imaging.decoded import VoiLut
from core.platform.atomic import make_folder
from core.platform.regular import is_regular
from core.store.hdf5 import Array, arrays_sha256, read_arrays, write_arrays
from core.store.packed import PIXEL_TYPES, pack, unpack
from core.store.page_buffer import PageBuffers

PIXELS, DERIVED = "pixels", "derived"
TOP_LEVEL_BELOW = 512
_ATTRIBUTES = "attributes.json"
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_VOI_LUTS, _PACKED = "voi_luts", "packed"
_ABANDONED_S = 86_400.0
"""Age at which a temporary file counts as left by a killed writer, where others may be writing."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Display attributes of a file that are stored with its pixels, or needed to halve them."""

    padding: tuple[int, int] | None = None
    """Smallest and largest value that is no part of the picture; it is not averaged into pixels beside it."""
    inverted: bool = False
    """True where low values are shown bright."""
    voi_luts: tuple[VoiLut, ...] = ()


_PLAIN = Shown()


class ArrayStore:
    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder = folder
        self._writable = writable
        self._buffers = PageBuffers()

    def write_pixels(
        self, image_id: str, pixels: Array, *, frame: int = 0, sha256: str = "", shown: Shown = _PLAIN
    ) -> str:
        """Store ``(rows, columns)`` stored values with their pyramid; returns their content hash. Written once.

        ``frame``: which slice of a tomosynthesis, from 0; ``sha256``: the content hash, where it is known already.
        Raises StudyError where the image has these pixels already, ValueError for another type or shape.
        """
        path = self._path(PIXELS, frame_name(image_id, frame), writing=True)
        if pixels.ndim != 2 or pixels.dtype not in PIXEL_TYPES or not pixels.size:
            raise ValueError(
                f"pixels must be (rows, columns) of uint8, uint16 or int16, not {pixels.dtype} {pixels.shape}"
            )
        if path.exists():
            raise StudyError(
                message(
                    "Image {image} has its pixels already; they are written once and never changed.",
                    image=image_id,
                )
            )
        return self._put_pixels(path, pixels, sha256, shown)

    def read_voi_luts(self, image_id: str) -> tuple[VoiLut, ...]:
        """The VOI LUTs of an image that has some (``Image.tables``); ArrayLostError where they are lost."""
        arrays, _ = read_arrays(self._path(PIXELS, image_id), (_VOI_LUTS,))
        return msgspec.msgpack.decode(arrays[_VOI_LUTS].tobytes(), type=tuple[VoiLut, ...])

    def read_pixels(self, image_id: str, level: int = 0, *, frame: int = 0) -> Array:
        """``(rows, columns)`` of one level of the pyramid; ArrayLostError where the file is lost or damaged."""
        path = self._path(PIXELS, frame_name(image_id, frame))
        arrays, _ = read_arrays(path, optional=_names_of(level), names=())
        return _level_of(arrays, level, path)

    def levels(self, image_id: str) -> int:
        """Return the number of levels of the pyramid, at least 1."""
        arrays, _ = read_arrays(self._path(PIXELS, image_id), ("levels",))
        return int(arrays["levels"])

    def read_pyramid(self, image_id: str, *, frame: int = 0) -> list[Array]:
        """Every level, level 0 first."""
        path = self._path(PIXELS, frame_name(image_id, frame))
        arrays, _ = read_arrays(path)
        levels = int(arrays.get("levels", 0))
        if not levels:
            raise _lacks_a_level(path)
        return [_level_of(arrays, level, path) for level in range(levels)]

    def pack_pixels(self, file: str) -> int:
        """Write a file of pixels of an earlier version (its name as ``pixel_files`` gives it) anew, packed.

        Returns the bytes that this saved; 0 where nothing is to be done. ArrayLostError where the file is damaged:
        it stays as it is.
        """
        path = self._path(PIXELS, file, writing=True)
        arrays, sha256 = read_arrays(path)
        levels = [_level_of(arrays, level, path) for level in range(int(arrays.get("levels", 0)))]
        if not levels or any(name.startswith(_PACKED) for name in arrays):
            return 0
        if content_sha256(levels[0]) != sha256:
            raise ArrayLostError(
                message(
                    "{folder}/{file} does not match its own hash; restore it from a backup.",
                    folder=PIXELS,
                    file=path.name,
                )
            )
        before, kept = path.stat().st_size, {name: arrays[name] for name in (_VOI_LUTS,) if name in arrays}
        if not any(pack(level) for level in levels):
            return 0
        self._write_levels(path, levels, sha256, kept)
        return before - path.stat().st_size

    def rebuild_pyramid(self, image_id: str, *, frame: int = 0, shown: Shown = _PLAIN) -> None:
        """Write the file anew from its level 0, where another level is damaged."""
        pixels = self.read_pixels(image_id, frame=frame)
        self._put_pixels(self._path(PIXELS, frame_name(image_id, frame), writing=True), pixels, "", shown)

    def has_pixels(self, image_id: str, *, frame: int = 0) -> bool:
        return is_regular(self._path(PIXELS, frame_name(image_id, frame)))

    def delete_pixels(self, image_id: str) -> None:
        """Delete the pixels of every slice when a patient leaves the study; a missing file is ignored."""
        first = self._path(PIXELS, image_id, writing=True)
        for path in (*first.parent.glob(f"{image_id}.f*.h5"), first):
            path.unlink(missing_ok=True)

    def pixel_files(self) -> tuple[str, ...]:
        """Names of the files that there are: image ids, and those of further slices (``frame_name``)."""
        return self._names(PIXELS)

    def write_derived(
        self, name: str, arrays: Mapping[str, Array], attributes: Mapping[str, object] | None = None
    ) -> None:
        """Store arrays of numbers that can be computed again, with JSON attributes, replacing what was there."""
        path = self._path(DERIVED, name, writing=True)
        for key, array in arrays.items():
            if array.dtype.kind not in "biufc" or key == _ATTRIBUTES or "/" in key:
                raise ValueError(
                    f"{key} must be an array of numbers with a plain name; texts belong in the attributes"
                )
        encoded = np.frombuffer(msgspec.json.encode(attributes or {}), dtype=np.uint8)
        stored = {**arrays, _ATTRIBUTES: encoded}
        make_folder(path.parent)
        write_arrays(path, stored, sha256=arrays_sha256(stored))

    def read_derived(self, name: str) -> tuple[dict[str, Array], dict[str, object]]:
        """Return the arrays and attributes, verified; raise ArrayLostError if they must be computed again."""
        path = self._path(DERIVED, name)
        arrays, sha256 = read_arrays(path)
        if arrays_sha256(arrays) != sha256 or _ATTRIBUTES not in arrays:
            raise ArrayLostError(
                message("{folder}/{file} does not match its own hash; rebuild it.", folder=DERIVED, file=path.name)
            )
        attributes: dict[str, object] = msgspec.json.decode(arrays.pop(_ATTRIBUTES).tobytes())
        return arrays, attributes

    def peek_derived(self, name: str, array: str) -> Array:
        """One of its arrays, not verified: to choose which to read. ArrayLostError where it cannot be had."""
        return read_arrays(self._path(DERIVED, name), (array,))[0][array]

    def has_derived(self, name: str) -> bool:
        return is_regular(self._path(DERIVED, name))

    def delete_derived(self, name: str) -> None:
        self._path(DERIVED, name, writing=True).unlink(missing_ok=True)

    def derived_files(self) -> tuple[str, ...]:
        """Names of what is stored."""
        return self._names(DERIVED)

    def clear_partial(self, *, shared: bool = False) -> int:
        """Delete temporary files that a killed writer left; how many.

        For the holder of the study only. ``shared``: others may be writing now, so that only files of yesterday
        and before count as left.
        """
        left = [path for kind in (PIXELS, DERIVED) for path in (self._folder / kind).glob(".*.part")]
        if shared:
            left = [path for path in left if _age_s(path) > _ABANDONED_S]
        for partial in left:
            partial.unlink(missing_ok=True)
        return len(left)

    def _put_pixels(self, path: Path, pixels: Array, sha256: str, shown: Shown) -> str:
        sha256 = sha256 or content_sha256(pixels)
        more: dict[str, Array] = {}
        if shown.voi_luts:
            more[_VOI_LUTS] = np.frombuffer(msgspec.msgpack.encode(shown.voi_luts), np.uint8)
        make_folder(path.parent)
        self._write_levels(path, pyramid(pixels, shown), sha256, more)
        return sha256

    def _write_levels(self, path: Path, levels: Sequence[Array], sha256: str, more: Mapping[str, Array]) -> None:
        arrays: dict[str, Array] = {}
        for level, pixels in enumerate(levels):
            plain, packed, form = _names_of(level)
            found = pack(pixels)
            arrays |= {plain: pixels} if found is None else {packed: found[0], form: found[1]}
        arrays |= more
        arrays["levels"] = np.array(len(levels), dtype=np.int64)
        hashed = "level0" if "level0" in arrays else ""
        write_arrays(path, arrays, sha256=sha256, hashed=hashed, buffers=self._buffers)

    def _names(self, kind: str) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in (self._folder / kind).glob("*.h5") if path.name[0] != "."))

    def _path(self, kind: str, name: str, *, writing: bool = False) -> Path:
        if _SAFE_NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} cannot name an array file")
        if writing and not self._writable:
            raise StudyError(message("This study is open for reading only; open it for writing to change it."))
        return self._folder / kind / f"{name}.h5"


def _names_of(level: int) -> tuple[str, str, str]:
    """Names in the file of a level as it is, packed, and of the packed one's form."""
    return f"level{level}", f"{_PACKED}{level}", f"form{level}"


def _level_of(arrays: Mapping[str, Array], level: int, path: Path) -> Array:
    plain, packed, form = _names_of(level)
    if plain in arrays:
        return arrays[plain]
    if packed not in arrays or form not in arrays:
        raise _lacks_a_level(path)
    try:
        return unpack(arrays[packed], arrays[form])
    except (ValueError, MemoryError) as error:
        raise ArrayLostError(
            message(
                "{folder}/{file} is damaged: {error}; rebuild or restore it.",
                folder=PIXELS,
                file=path.name,
                error=error,
            )
        ) from error


def _lacks_a_level(path: Path) -> ArrayLostError:
    return ArrayLostError(
        message("{folder}/{file} lacks a level of its pyramid; rebuild it.", folder=PIXELS, file=path.name)
    )


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # another program finished it meanwhile
        return 0.0


def frame_name(image_id: str, frame: int) -> str:
    """Return the name of a slice's pixel file; the first slice's, and a plain mammogram's, is the image id."""
    return f"{image_id}.f{frame:04d}" if frame else image_id


def pyramid(pixels: Array, shown: Shown = _PLAIN) -> list[Array]:
    """Level 0, then halves of each level before, rounded up, by averaging over areas.

    Padding, which may be brighter than the breast, enters no average: beside the picture the picture's darkest
    value stands for it, and a pixel of padding alone stays padding.
    """
    padded = _padded(pixels, shown.padding)
    if padded is None or not padded.any():
        return _halves(pixels)
    picture = pixels[~padded]
    padding = shown.padding[0] if shown.padding is not None else 0
    darkest = padding if not picture.size else picture.max() if shown.inverted else picture.min()
    filled = np.where(padded, np.asarray(darkest, pixels.dtype), pixels)
    levels, shares = _halves(filled), _halves(padded.astype(np.uint8) * np.uint8(255))
    only = np.asarray(np.clip(padding, np.iinfo(pixels.dtype).min, np.iinfo(pixels.dtype).max), pixels.dtype)
    return [
        pixels,
        *(np.where(share == 255, only, level) for level, share in zip(levels[1:], shares[1:], strict=True)),
    ]


def _padded(pixels: Array, padding: tuple[int, int] | None) -> Array | None:
    return None if padding is None else np.asarray((pixels >= padding[0]) & (pixels <= padding[1]))


def _halves(pixels: Array) -> list[Array]:
    from core.imaging.opencv import cv2  # a tenth of a second that readers need not wait

    levels = [pixels]
    while max(levels[-1].shape) >= TOP_LEVEL_BELOW:
        rows, columns = levels[-1].shape
        half = ((columns + 1) // 2, (rows + 1) // 2)
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    return levels
