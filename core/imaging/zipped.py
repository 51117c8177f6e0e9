"""Files inside ZIP archives, as downloads from an archive come. Nothing is unpacked to the disk.

A file in ``a.zip`` has the path ``a.zip/IMG/0001``, as if the archive were a folder; archives may be nested.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from core.domain.messages import NOTHING, Sentence, message
from core.imaging.decoded import MAX_FILE_BYTES, Refusal, RefusedImageError
from core.imaging.formats.signature import HEAD_BYTES, ZIP, format_of

MOST_MEMBERS = 50_000
DEEPEST = 3
MOST_PACKED = 1000
"""Bytes to bytes stored; a black picture reaches this."""
_SMALL = 1 << 30
"""Archives that unpack to less may pack as tightly as they like."""
_LARGEST_NESTED = 1 << 29
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, ValueError, EOFError)

_last: tuple[tuple[str, int], bytes] | None = None
"""The member that was read last: the slices of a tomosynthesis are asked for one by one."""


class ZipMember:
    """A file in an archive: its path, and its first bytes or the reason why it cannot be read."""

    def __init__(self, path: Path, head: bytes = b"", reason: Sentence = NOTHING) -> None:
        self.path = path
        self.head = head
        self.reason = reason


def members(archive: Path) -> Iterator[ZipMember]:
    """Every file in an archive and in archives in it, in the order of the archive.

    RefusedImageError for an archive that is damaged, has too many members, or unpacks to far more than it holds.
    """
    try:
        with archive.open("rb") as file:
            yield from _members(file, archive, depth=1)
    except ZIP_ERRORS as error:
        raise RefusedImageError(
            message(
                "{archive} is a damaged ZIP archive ({error}); download it again.",
                archive=archive.name,
                error=type(error).__name__,
            ),
            Refusal.DAMAGED,
        ) from error


def _members(file: BinaryIO, place: Path, *, depth: int) -> Iterator[ZipMember]:
    with zipfile.ZipFile(file) as archive:
        refuse_bomb(archive, place.name, file.seek(0, 2))
        seen: set[PurePosixPath] = set()
        for info in archive.infolist():
            if info.is_dir():
                continue
            name = PurePosixPath(info.filename)
            # the name of an unsafe member is shown, but never becomes part of a path
            path = place / (name if _safe(info.filename) else name.name or "unnamed")
            reason = message("its name occurs twice in the archive") if name in seen else _reason(info)
            seen.add(name)
            if reason:
                yield ZipMember(path, reason=reason)
                continue
            with archive.open(info) as member:
                head = member.read(HEAD_BYTES)
            if format_of(head) != ZIP:
                yield ZipMember(path, head)
            elif depth >= DEEPEST or info.file_size > _LARGEST_NESTED:
                yield ZipMember(path, reason=message("an archive within archives; unpack it first"))
            else:
                yield from _nested(_content(archive, info, _LARGEST_NESTED), path, depth=depth + 1)


def _nested(content: bytes, path: Path, *, depth: int) -> Iterator[ZipMember]:
    """The members of an archive within an archive; one that cannot be read is a member with a reason."""
    try:
        yield from _members(BytesIO(content), path, depth=depth)
    except RefusedImageError as refused:
        yield ZipMember(path, reason=refused.sentence)
    except ZIP_ERRORS:
        yield ZipMember(path, reason=message("a damaged archive"))


def refuse_bomb(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """RefusedImageError where the directory announces more than an archive of images holds."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise RefusedImageError(
            message(
                "{name} holds {count:,} files; {limit:,} can be read. Unpack it first.",
                name=name,
                count=len(infos),
                limit=MOST_MEMBERS,
            ),
            Refusal.TOO_LARGE,
        )
    unpacked, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if packed > size or (unpacked > _SMALL and unpacked > MOST_PACKED * size):
        raise RefusedImageError(
            message(
                "{name} announces {unpacked:,} bytes in an archive of {size:,}; it is damaged or hostile.",
                name=name,
                unpacked=unpacked,
                size=size,
            ),
            Refusal.TOO_LARGE,
        )


def _safe(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name and bool(path.parts)


def _reason(info: zipfile.ZipInfo) -> Sentence:
    """Why a member cannot be read; "" where it can."""
    if not _safe(info.filename):
        return message("its path leads outside the archive")
    if info.flag_bits & 1:
        return message("encrypted; unpack the archive with its password first")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        return message("packed in a way that is not supported; unpack the archive first")
    if info.file_size > MAX_FILE_BYTES:
        return message("it has {size:,} bytes; {limit:,} can be read", size=info.file_size, limit=MAX_FILE_BYTES)
    return NOTHING


def open_file(path: Path) -> BinaryIO:
    """Open a file, also one inside an archive. OSError as ``Path.open`` raises it."""
    archive = next((parent for parent in path.parents if parent.is_file()), None)
    if archive is None:
        return path.open("rb")
    return BytesIO(_member(archive, path.relative_to(archive)))


def _member(archive: Path, inner: Path) -> bytes:
    global _last  # noqa: PLW0603 (one process decodes one file at a time)
    key = (str(archive / inner), archive.stat().st_mtime_ns)
    if _last is not None and _last[0] == key:
        return _last[1]
    _last = None
    try:
        with archive.open("rb") as file:
            content = _found(file, archive, inner)
    except ZIP_ERRORS as error:
        raise RefusedImageError(
            message(
                "{file} in {archive} is damaged ({error}).",
                file=inner.name,
                archive=archive.name,
                error=type(error).__name__,
            ),
            Refusal.DAMAGED,
        ) from None
    _last = (key, content)
    return content


def _found(file: BinaryIO, place: Path, inner: Path) -> bytes:
    with zipfile.ZipFile(file) as archive:
        refuse_bomb(archive, place.name, file.seek(0, 2))
        by_name = {PurePosixPath(info.filename).parts: info for info in reversed(archive.infolist())}
        for count in range(len(inner.parts), 0, -1):
            info = by_name.get(inner.parts[:count])
            if info is None:
                continue
            if reason := _reason(info):
                raise RefusedImageError(
                    message(
                        "{file} in {place} cannot be read: {reason}.",
                        file=inner.name,
                        place=place.name,
                        reason=reason,
                    ),
                    Refusal.UNSUPPORTED,
                )
            rest = Path(*inner.parts[count:])
            if not rest.parts:
                return _content(archive, info, MAX_FILE_BYTES)
            return _found(BytesIO(_content(archive, info, _LARGEST_NESTED)), place / info.filename, rest)
    raise RefusedImageError(
        message("{file} is not in {place} any more.", file=inner.name, place=place.name), Refusal.UNREADABLE
    )


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """All of a member; what it announces is not relied upon."""
    with archive.open(info) as member:
        content = member.read(limit + 1)
    if len(content) > limit:
        raise RefusedImageError(
            message("{file} unpacks to more than {limit:,} bytes.", file=info.filename[-80:], limit=limit),
            Refusal.TOO_LARGE,
        )
    return content
