"""A whole study as one file, and back: a zip archive of stored members with a manifest of their hashes.

Members are stored, never compressed: an archive cannot unpack to more than its own size. Names are the study's own
and are matched against a pattern before anything is written, so that an archive from elsewhere reaches no place
outside its new folder. Derived arrays, which are computed again, are left out.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec

from core.domain.errors import BadFileError, StudyError
from core.domain.messages import Sentence, message, template
from core.domain.study import Image
from core.platform.atomic import atomic_write
from core.platform.regular import is_regular, open_regular
from core.store.arrays import PIXELS, frame_name
from core.store.audit import AuditRepository
from core.store.database import now_utc
from core.store.identity import IDENTITY
from core.store.images import ImageRepository
from core.store.location import opened_copy
from core.store.names import DATABASE, RUNS
from core.store.study import Study

MANIFEST = "manifest.json"
FORMAT = 1
_LARGEST_MANIFEST = 256 << 20
_MOST_MEMBERS = 1_000_000
_BLOCK = 1 << 20
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,126}[A-Za-z0-9_-]|[A-Za-z0-9_]"
_NAME = re.compile(
    rf"{re.escape(DATABASE)}|{re.escape(IDENTITY)}|{PIXELS}/[A-Za-z0-9_-][A-Za-z0-9._-]{{0,127}}\.h5"
    rf"|{RUNS}(?:/(?:{_SEGMENT})){{2,8}}"
)
_BACKUP, _MODEL = "backup", "shared model"
_STRANGERS = {
    _BACKUP: template("it holds {name!r}, which does not belong in a study"),
    _MODEL: template("it holds {name!r}, which does not belong in a shared model"),
}
_PACKED = {
    _BACKUP: template("{name} is compressed or encrypted, which a backup never is"),
    _MODEL: template("{name} is compressed or encrypted, which a shared model never is"),
}
_REFUSALS = {
    _BACKUP: template("{file} is not a backup that this program made, or was changed: {why}."),
    _MODEL: template("{file} is not a shared model that this program made, or was changed: {why}."),
}
"""The sentences about each kind of archive."""
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""

Progress = Callable[[int, int], None]


class ArchiveMember(msgspec.Struct, frozen=True, kw_only=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    study_id: str
    study_name: str
    created_utc: str
    files: dict[str, ArchiveMember]
    head: str = ""
    """Head of the audit trail (``core.store.anchor``); "" in backups of earlier versions."""


def safe_name(name: str) -> bool:
    """Return True if a member of this name may be written: a place of the study, valid on every system."""
    return _NAME.fullmatch(name) is not None and not any(_RESERVED.fullmatch(part) for part in name.split("/"))


def write_archive(study: Study, target: Path, *, progress: Progress | None = None) -> Manifest:
    """Write the study as it is now, open for writing (or on a read-only disk), and verify what was written.

    StudyError where ``target`` exists or the study lacks a file; StorageFullError where there is no room.
    """
    if target.exists():
        raise StudyError(message("{target} exists already; choose another name for the backup.", target=target))
    if study.writable:  # a study on a read-only disk cannot record it, and cannot change meanwhile
        study.audit.record("study.backup", f"study {study.info.id}")
    made: list[Manifest] = []

    def write(temporary: Path) -> None:
        snapshot = temporary.with_name(f"{temporary.name}.db")
        try:
            study.snapshot(snapshot)
            made.append(_fill(study, snapshot, temporary, progress))
        finally:
            snapshot.unlink(missing_ok=True)
        with zipfile.ZipFile(temporary) as archive:
            for name, member in made[0].files.items():
                if _digest(archive, name) != member.sha256:
                    raise BadFileError(
                        message(
                            "The backup {target} could not be read back as it was written; check the disk.",
                            target=target,
                        )
                    )

    atomic_write(target, write)
    return made[0]


def _members(study: Study, snapshot: Path, images: tuple[Image, ...]) -> Iterator[tuple[str, Path]]:
    yield DATABASE, snapshot
    if is_regular(study.folder / IDENTITY):
        yield IDENTITY, study.folder / IDENTITY
    for image in images:
        for frame in range(image.frames):
            path = study.folder / PIXELS / f"{frame_name(image.id, frame)}.h5"
            if not is_regular(path):
                raise StudyError(
                    message(
                        "{folder}/{file} is missing; run 'check' and restore it before a backup.",
                        folder=PIXELS,
                        file=path.name,
                    )
                )
            yield f"{PIXELS}/{path.name}", path
    for path in sorted((study.folder / RUNS).rglob("*")):
        name = path.relative_to(study.folder).as_posix()
        if path.is_symlink():
            raise StudyError(
                message("{name} is a link to another place; put the file itself there before a backup.", name=name)
            )
        if is_regular(path) and not path.name.endswith(".part"):
            if not safe_name(name):
                raise StudyError(
                    message(
                        "{name} was not made by this program; move it out of the study before a backup.", name=name
                    )
                )
            yield name, path


def _fill(study: Study, snapshot: Path, target: Path, progress: Progress | None) -> Manifest:
    files: dict[str, ArchiveMember] = {}
    # of the copy: others may be working in the study meanwhile
    with opened_copy(snapshot) as copy:
        images, head = ImageRepository(copy).all(), AuditRepository(copy).head()
    members = list(_members(study, snapshot, images))
    # a zip archive knows no year before 1980 or after 2107: such times become the nearest one
    target.chmod(0o600)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for done, (name, path) in enumerate(members, start=1):
            archive.write(path, name)
            files[name] = ArchiveMember(size=path.stat().st_size, sha256=_digest_file(path))
            if progress is not None:
                progress(done, len(members))
        manifest = Manifest(
            format=FORMAT,
            study_id=study.info.id,
            study_name=study.info.name,
            created_utc=now_utc(),
            files=files,
            head=str(head),
        )
        archive.writestr(MANIFEST, msgspec.json.encode(manifest))
    return manifest


def _digest_file(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(cast(Any, file), "sha256").hexdigest()


def _digest(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as file:
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    """The manifest, after every member was held against it; nothing but the manifest was read.

    BadFileError for names outside the study, links and devices, compressed or encrypted members, doubles (also by
    upper and lower case) and members that together are larger than the file.
    """
    members = archive.infolist()
    names = check_members(archive, path, safe_name, what="backup")
    if MANIFEST not in names or archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise _refusal(path, message("it has no {file} that can be read", file=MANIFEST))
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _refusal(path, message("its {file} is damaged", file=MANIFEST)) from error
    if manifest.format > FORMAT:
        raise BadFileError(
            message("{file} was made by a newer version of Marginalia; restore it with that one.", file=path.name)
        )
    sizes = {member.filename: member.file_size for member in members if member.filename != MANIFEST}
    if sizes != {name: member.size for name, member in manifest.files.items()} or DATABASE not in sizes:
        raise _refusal(path, message("its files are not those of its manifest"))
    return manifest


def check_members(
    archive: zipfile.ZipFile, path: Path, allowed: Callable[[str], bool], *, what: str
) -> frozenset[str]:
    """The names of the members, none of which was read; they are ``MANIFEST`` and what ``allowed`` lets pass.

    BadFileError for other names, links and devices, compressed or encrypted members, doubles (also by upper and
    lower case) and members that together are larger than the file. ``what``: the kind of archive.
    """
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise _refusal(path, message("it lists {count:,} files", count=len(members)), what)
    total = 0
    seen: set[str] = set()
    for member in members:
        _check_member(path, member, allowed, what)
        total += member.file_size
        if member.orig_filename.casefold() in seen:
            raise _refusal(path, message("it holds {name!r} twice", name=member.filename[:80]), what)
        seen.add(member.orig_filename.casefold())
    if total > path.stat().st_size:
        raise _refusal(path, message("its files overlap"), what)
    return frozenset(member.orig_filename for member in members)


def _check_member(path: Path, member: zipfile.ZipInfo, allowed: Callable[[str], bool], what: str) -> None:
    name = member.orig_filename
    if name != member.filename or not (name == MANIFEST or allowed(name)):
        raise _refusal(path, message(_STRANGERS[what], name=name[:80]), what)
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _refusal(path, message("{name} is a link or a device", name=name[:80]), what)
    encrypted = member.flag_bits & 0x1
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size or encrypted:
        raise _refusal(path, message(_PACKED[what], name=name[:80]), what)


def _refusal(path: Path, why: Sentence, what: str = "backup") -> BadFileError:
    return BadFileError(message(_REFUSALS[what], file=path.name, why=why))
