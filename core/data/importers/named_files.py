"""The file that a table names, as it is written on whatever system the table was made."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path, PureWindowsPath

from core.data.importers.table import Row


def the_file(folder: Path, row: Row, column: str = "image") -> Path:
    """The file that a cell names, relative to the folder; ValueError where it is elsewhere or not there.

    Backslashes and drive letters of Windows are understood: of a path from another computer, the longest end that
    is in the folder counts. Letters of the other case are accepted where only one file has them.
    """
    name = row.required(column)
    try:
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            return path
    except (OSError, ValueError) as error:
        raise ValueError(f"{name[:80]!r} is not a file name.") from error
    # Windows' rules take both kinds of slashes
    written = PureWindowsPath(name)
    parts = written.parts[1:] if written.anchor else written.parts
    if ".." in parts:
        raise ValueError(f"{name[:80]!r} lies outside the folder {folder.name}.")
    by_parts = _files_below(folder.resolve())
    for start in range(len(parts)):
        found = by_parts.get(tuple(part.lower() for part in parts[start:]), ())
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"{name[:80]!r} matches {len(found)} files; give the exact name of the file.")
    if written.anchor:
        raise ValueError(f"{name[:80]!r} lies outside the folder {folder.name}, and no file in it has that name.")
    raise ValueError(f"{name[:80]!r} is not in the folder {folder.name}.")


@lru_cache(maxsize=1)
def _files_below(folder: Path) -> dict[tuple[str, ...], tuple[Path, ...]]:
    """The files of the folder by the parts of their path, in lower case."""
    found: dict[tuple[str, ...], tuple[Path, ...]] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if path.is_symlink():
                continue
            key = tuple(part.lower() for part in path.relative_to(folder).parts)
            found[key] = (*found.get(key, ()), path)
    return found


def forget_folder() -> None:
    """Look at the folder anew at the next table: files may have come since."""
    _files_below.cache_clear()
