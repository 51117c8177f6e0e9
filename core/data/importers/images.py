"""Mammograms without a table: outlines and labels are added later.

A file is recognised by its content, because archives name files by UID, by number or by ``.img``. DICOM files
contain the patient's identity. Files of other formats do not, so each counts as a patient of its own, and the
import reports this. A split by patient is only as good as that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.data.importers.plan import ImportPlan, Issue, PassedOver, PlannedImage, Severity
from core.domain.messages import Sentence, joined, message, verbatim
from core.imaging.decoded import RefusedImageError
from core.imaging.formats.signature import (
    DICOM,
    HEAD_BYTES,
    IMAGE_FORMATS,
    NO_PREAMBLE,
    ZIP,
    format_of,
    what_else,
)
from core.imaging.zipped import members
from core.platform.places import readable

TABLE_ENDINGS = (".csv", ".tsv", ".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".numbers")
_DIRECTORY = "DICOMDIR"
_NAMED = 5
"""Files that the summary names."""


@dataclass(kw_only=True)
class FolderFiles:
    """The files below a folder or in an archive."""

    images: list[tuple[Path, str]] = field(default_factory=list)
    """Path and format."""
    passed_over: list[PassedOver] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def pass_over(self, name: str, reason: Sentence) -> None:
        self.passed_over.append(PassedOver(name=name, reason=reason))


def holds_images(folder: Path) -> bool:
    """Return True if any file below ``folder`` is an image or an archive by its content."""
    for path in walk(folder):
        with contextlib.suppress(OSError):
            if not path.is_symlink() and format_of(_head(path)) in (*IMAGE_FORMATS, ZIP):
                return True
    return False


def find_files(paths: Iterable[Path], root: Path) -> FolderFiles:
    """Sort files into images and skipped files; names are relative to ``root``."""
    found = FolderFiles()
    for path in paths:
        name = _name(path, root)
        if path.is_symlink():
            found.pass_over(name, message("a link to another place, which is not followed"))
            continue
        try:
            head = _head(path)
        except OSError as error:
            found.pass_over(
                name, message("cannot be opened ({reason}); check its permissions", reason=error.strerror)
            )
            continue
        if format_of(head) == ZIP and path.suffix.lower() not in TABLE_ENDINGS:
            _take_archive(found, path, root)
        else:
            _take(found, path, name, head)
    return found


def _take_archive(found: FolderFiles, path: Path, root: Path) -> None:
    try:
        for member in members(path):
            name = _name(member.path, root)
            if member.reason:
                found.pass_over(name, member.reason)
            else:
                _take(found, member.path, name, member.head, zipped=True)
    except RefusedImageError as refused:
        said = str(refused).removeprefix(f"{path.name} ").rstrip(".")
        found.pass_over(_name(path, root), verbatim(said))


def _take(found: FolderFiles, path: Path, name: str, head: bytes, *, zipped: bool = False) -> None:
    kind = format_of(head)
    if path.name.upper() == _DIRECTORY:
        found.pass_over(name, message("the directory of a medium, not an image"))
    elif kind in IMAGE_FORMATS:
        found.images.append((path, kind))
    elif path.suffix.lower() in TABLE_ENDINGS:
        found.tables.append(name)
        found.pass_over(
            name, message("a table in an archive; unpack it to have it read") if zipped else message("a table")
        )
    else:
        found.pass_over(name, what_else(head))


def read_images(folder: Path, *, source: str) -> ImportPlan:
    """The plan for every image file below ``folder``, without lesions."""
    return _plan(find_files(sorted(walk(folder)), folder), folder, source)


def read_files(paths: Sequence[Path], *, source: str) -> ImportPlan:
    """The plan for single image files and archives."""
    found = FolderFiles()
    for path in paths:
        one = find_files([path], path.parent)
        found.images += one.images
        found.passed_over += one.passed_over
        found.tables += one.tables
        if len(paths) == 1 and not one.images and not _is_archive(path):
            # a single file that is no image is refused by the decoder, in its own words
            return _plan(FolderFiles(images=[(path, "")]), None, source)
    return _plan(found, paths[0].parent if len(paths) == 1 and _is_archive(paths[0]) else None, source)


def _plan(found: FolderFiles, folder: Path | None, source: str) -> ImportPlan:
    images, unknown = [], 0
    for path, kind in found.images:
        where = _name(path, folder) if folder is not None else _inner_name(path)
        other = kind not in (DICOM, NO_PREAMBLE, "")
        unknown += other
        images.append(PlannedImage(path=path, patient=f"file {where}" if other else "", where=where))
    return ImportPlan(
        source=source,
        images=tuple(images),
        issues=(*_of_nobody(unknown), *_passed_over(found)),
        by_table=False,
        passed_over=tuple(found.passed_over),
        folder=folder,
    )


def walk(folder: Path) -> Iterator[Path]:
    """Return all files below ``folder``; hidden files and folders are skipped."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _is_archive(path: Path) -> bool:
    try:
        return format_of(_head(path)) == ZIP
    except OSError:
        return False


def _name(path: Path, root: Path) -> str:
    return readable(path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name)


def _inner_name(path: Path) -> str:
    """The name of a single file; of one in an archive with the archive's name before it."""
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    return readable(path.name if archive is None else path.relative_to(archive.parent).as_posix())


def _of_nobody(unknown: int) -> tuple[Issue, ...]:
    """The note on files whose patient nobody knows."""
    if not unknown:
        return ()
    sentence = (
        message(
            "1 file has no patient ID; it is treated as a separate patient. If it shows the patient of another "
            "image, give a table with patient_id, so that no split separates them."
        )
        if unknown == 1
        else message(
            "{count} files have no patient ID; each is treated as a separate patient. If several images show one "
            "patient, give a table with patient_id, so that no split separates them.",
            count=unknown,
        )
    )
    return (Issue(where="", sentence=sentence, severity=Severity.NOTE),)


def _passed_over(found: FolderFiles) -> tuple[Issue, ...]:
    """Return one note that counts the skipped files, and one that names the tables among them."""
    issues = []
    if found.tables:
        sentence = message(
            "A table was found but not read: {tables}. If it describes the images, name it "
            "with --table, or call it lesions.csv.",
            tables=listed(found.tables),
        )
        issues.append(Issue(where="", sentence=sentence, severity=Severity.NOTE))
    if found.passed_over:
        reasons = listed_reasons(found.passed_over)
        sentence = message(
            "Files that were skipped ({count}): {reasons}.", count=len(found.passed_over), reasons=reasons
        )
        issues.append(Issue(where="", sentence=sentence, severity=Severity.NOTE))
    return tuple(issues)


def listed_reasons(files: Sequence[PassedOver]) -> Sentence:
    """The first files with their reasons, and how many more there are."""
    first = [message("{name} ({reason})", name=one.name, reason=one.reason) for one in files[:_NAMED]]
    rest = len(files) - _NAMED
    more = [message("and {count} more", count=rest)] if rest > 0 else []
    return joined([joined(first, ", "), *more])


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
