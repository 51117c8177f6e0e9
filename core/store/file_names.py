"""A private table beside a study that keeps the user's own file names: ``STUDY.file-names.csv``.

The window writes it for public data sets, whose names anybody can know; otherwise it is written only if the user
asks for it. It lies outside the study, so that no backup, export or copy of the study carries it: names of files
often name patients. It can be deleted at any time; forgetting a patient removes its rows.
"""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from core.domain.errors import BadFileError
from core.domain.messages import message
from core.domain.spreadsheet import csv_document, read_cell
from core.platform.atomic import atomic_write

SUFFIX = ".file-names.csv"
COLUMNS = ("file", "image")


def names_path(study: Path) -> Path:
    """Return the path of a study's table of file names; the file may be missing."""
    folder = study.absolute()
    return folder.with_name(folder.name + SUFFIX)


def read_names(study: Path) -> dict[str, str]:
    """Image id to the user's file name; {} without a table. BadFileError if it cannot be read as one."""
    path = names_path(study)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadFileError(
            message("{file} cannot be read; correct or delete it, and import again to make it.", file=path.name)
        ) from error
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise BadFileError(
            message("{file} is not a table of file names; delete it, and import again to make it.", file=path.name)
        )
    return {image: read_cell(file) for file, image in rows[1:]}


def add_names(study: Path, names: Mapping[str, str]) -> Path:
    """Add file names by image id, or replace them; the table is readable for its owner only. Returns its path."""
    return _write(study, read_names(study) | dict(names))


def remove_names(study: Path, image_ids: Collection[str]) -> None:
    """Take the rows of these images out, if there is a table; without any row left it is deleted."""
    before = read_names(study)
    after = {image: name for image, name in before.items() if image not in image_ids}
    if not before or len(after) == len(before):
        return
    if after:
        _write(study, after)
    else:
        names_path(study).unlink(missing_ok=True)


class FileNames:
    """File names of a study's images by image id, read again when the table changed. Usable from any thread."""

    def __init__(self, study: Path) -> None:
        self._study = study
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._names: Mapping[str, str] = {}

    def all(self) -> Mapping[str, str]:
        """Return image id to file name; {} without a table. BadFileError if it cannot be read as one."""
        with self._lock:
            seen = self._stamp()
            if seen != self._seen:
                self._names = read_names(self._study)
                self._seen = seen
            return self._names

    def of(self, image_id: str) -> str:
        """Return the file name of an image; "" if none was kept."""
        return self.all().get(image_id, "")

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = names_path(self._study).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size


def _write(study: Path, names: Mapping[str, str]) -> Path:
    path = names_path(study)
    rows = sorted((name, image) for image, name in names.items())
    atomic_write(path, csv_document(COLUMNS, rows))
    with suppress(OSError):  # file systems without permissions
        path.chmod(0o600)
    return path
