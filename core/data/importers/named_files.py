"""The file that a table names, as it is written on whatever system the table was made."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from core.data.importers.table import Row
from core.domain.messages import message

_ENDINGS = frozenset(("dcm", "dicom", "png", "pgm", "tif", "tiff", "jpg", "jpeg"))
"""Endings that a table may leave out."""


def the_file(folder: Path, row: Row, column: str = "image") -> Path:
    """The file that a cell names; ValueError where it is empty, and as ``file_named`` raises it."""
    return file_named(folder, row.required(column))


def file_named(folder: Path, name: str) -> Path:
    """The file of this name, relative to the folder; ValueError where it is elsewhere or not there.

    Backslashes and drive letters of Windows are understood: of a path from another computer, the longest end that
    is in the folder counts. Letters of the other case, accents in the other form of Unicode, ``%20`` and a missing
    ending are accepted where only one file has them.
    """
    try:
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    except (OSError, ValueError) as error:
        raise ValueError(message("{name!r} is not a file name.", name=name[:80])) from error
    # Windows' rules take both kinds of slashes
    written = PureWindowsPath(name)
    parts = written.parts[1:] if written.anchor else written.parts
    if ".." in parts:
        raise ValueError(message("{name!r} lies outside the folder {folder}.", name=name[:80], folder=folder.name))
    for spelt in dict.fromkeys((parts, tuple(_unquoted(part) for part in parts))):
        found = () if ".." in spelt else _found(folder, spelt)
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(
                message(
                    "{name!r} matches {count} files; give the exact name of the file.",
                    name=name[:80],
                    count=len(found),
                )
            )
    if written.anchor:
        raise ValueError(
            message(
                "{name!r} lies outside the folder {folder}, and no file in it has that name.",
                name=name[:80],
                folder=folder.name,
            )
        )
    raise ValueError(message("{name!r} is not in the folder {folder}.", name=name[:80], folder=folder.name))


def _found(folder: Path, parts: tuple[str, ...]) -> tuple[Path, ...]:
    """The files that the longest end of a path names, with or without the ending of the name."""
    by_parts, by_stem = _files_below(folder.resolve())
    keys = [tuple(_key(part) for part in parts[start:]) for start in range(len(parts))]
    for known in (by_parts, by_stem):
        for key in keys:
            if key in known:
                return known[key]
    return ()


def _unquoted(part: str) -> str:
    """The name that a browser or a mail program wrote with ``%20`` and the like."""
    return re.sub(
        r"(?:%[0-9A-Fa-f]{2})+",
        lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace"),
        part,
    )


def files_of_name(folder: Path, name: str) -> tuple[Path, ...]:
    """The files anywhere below the folder that have the name at the end of a path."""
    wanted = _key(PureWindowsPath(name).name)
    by_parts, _ = _files_below(folder.resolve())
    return tuple(path for key, paths in by_parts.items() if key[-1] == wanted for path in paths)


def _key(part: str) -> str:
    """A name as it is compared: macOS writes letters and their accents apart."""
    return unicodedata.normalize("NFC", part).lower()


_ByParts = dict[tuple[str, ...], tuple[Path, ...]]


@lru_cache(maxsize=1)
def _files_below(folder: Path) -> tuple[_ByParts, _ByParts]:
    """The files of the folder by the parts of their path, and the images of it by the path without its ending."""
    found: _ByParts = {}
    stems: _ByParts = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_symlink():
                continue
            key = tuple(_key(part) for part in path.relative_to(folder).parts)
            found[key] = (*found.get(key, ()), path)
            stem, _, ending = key[-1].rpartition(".")
            if stem and ending in _ENDINGS:
                key = (*key[:-1], stem)
                stems[key] = (*stems.get(key, ()), path)
    return found, stems


def forget_folder() -> None:
    """Look at the folder anew at the next table: files may have come since."""
    _files_below.cache_clear()
