"""From an archive to a study in a new folder, verified before it appears there."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from core.domain.errors import BadFileError, StorageFullError, StudyError
from core.domain.messages import message
from core.platform.atomic import atomic_write, make_folder, storage_error
from core.platform.regular import open_regular
from core.platform.system import free_bytes, sync_folder, try_lock, unlock
from core.store.archive import ArchiveMember, Manifest, Progress, read_manifest
from core.store.arrays import DERIVED, PIXELS
from core.store.check import check_study
from core.store.filesystem import refuse_network
from core.store.location import upgrade_file
from core.store.names import RUNS
from core.store.study import Study
from core.store.write_lock import LOCK

_BLOCK = 1 << 20
_SPARE = 64 << 20
ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    KeyError,
    OverflowError,
    MemoryError,
)
"""Errors that the standard library raises for archives made by hand."""


def restore_archive(path: Path, folder: Path, *, progress: Progress | None = None) -> Manifest:
    """Unpack a backup beside ``folder``, verify every hash and the study itself, then put it in place.

    BadFileError for an archive that is not one of ours or whose study is not whole; StudyError where ``folder``
    is not empty; StorageFullError before anything is written where there is no room. Then nothing is left.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StudyError(message("{folder} is not empty; choose a new folder for the study.", folder=folder))
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = read_manifest(archive, path)
            _unpack(archive, path, manifest, folder, progress)
    except FileNotFoundError as error:
        raise BadFileError(message("There is no backup {path}.", path=path)) from error
    except OSError as error:
        raise storage_error(error, folder) or BadFileError(
            message("{file} cannot be read ({error}).", file=path.name, error=error)
        ) from error
    except ZIP_ERRORS as error:
        raise BadFileError(message("{file} is not a Marginalia backup, or is damaged.", file=path.name)) from error
    return manifest


def _unpack(
    archive: zipfile.ZipFile, path: Path, manifest: Manifest, folder: Path, progress: Progress | None
) -> None:
    make_folder(folder.parent)
    refuse_network(folder.parent)
    needed = sum(member.size for member in manifest.files.values())
    room = free_bytes(folder.parent)
    if needed + _SPARE > room:
        raise StorageFullError(
            message(
                "{file} needs {needed:,} bytes and {folder} has {room:,}; make room or choose another place.",
                file=path.name,
                needed=needed,
                folder=folder.parent,
                room=room,
            )
        )
    _clear_left(folder)
    making = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    lock = open_regular(making / LOCK, os.O_RDWR | os.O_CREAT, mode="rb+")
    try:
        try_lock(lock)
        for place in (PIXELS, DERIVED, RUNS):
            make_folder(making / place)
        for done, (name, member) in enumerate(manifest.files.items(), start=1):
            make_folder((making / name).parent)
            _extract(archive, name, member, making / name, path)
            if progress is not None:
                progress(done, len(manifest.files))
        _verify(making, path)
        if folder.exists():
            folder.rmdir()
        making.rename(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
        unlock(lock)
        lock.close()


def _clear_left(folder: Path) -> None:
    """Delete what a restore to this place left that was killed: it holds the images of patients."""
    for left in folder.parent.glob(f".{folder.name}.*.part"):
        if left.is_dir() and not left.is_symlink() and not _is_held(left / LOCK):
            shutil.rmtree(left, ignore_errors=True)


def _is_held(lock: Path) -> bool:
    """Return True if another restore works there now; its lock ends with its process."""
    try:
        with open_regular(lock, os.O_RDWR, mode="rb+") as file:
            held = not try_lock(file)
            if not held:
                unlock(file)
            return held
    except (OSError, BadFileError):
        return False


def _extract(archive: zipfile.ZipFile, name: str, member: ArchiveMember, target: Path, path: Path) -> None:
    def write(temporary: Path) -> None:
        digest, left = hashlib.sha256(), member.size
        with archive.open(name) as source, temporary.open("wb") as file:
            while left and (block := source.read(min(_BLOCK, left))):
                digest.update(block)
                file.write(block)
                left -= len(block)
        if left or digest.hexdigest() != member.sha256:
            raise BadFileError(
                message(
                    "{file} is damaged: {name} is not what was backed up. Use another backup.",
                    file=path.name,
                    name=name,
                )
            )

    atomic_write(target, write)


def _verify(making: Path, path: Path) -> None:
    """The study itself: an archive whose hashes agree may have been made by anybody."""
    upgrade_file(making)
    with Study.open(making, writable=False) as study:
        report = check_study(study)
    if report.problems:
        raise BadFileError(
            message(
                "The study in {file} has a problem: {problem}", file=path.name, problem=report.problems[0].sentence
            )
        )
