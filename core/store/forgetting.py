"""Remains to be deleted of a patient whose rows are gone: a list beside the database.

The commit of the rows decides. Before it the list is written; after it the files go, and then the list. Whatever
happens in between, the next opening for writing finds the list: it deletes the files if the patient is gone, and
only the list if the patient is still there, with everything.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.domain.errors import StorageFullError
from core.domain.messages import message
from core.platform.atomic import atomic_write
from core.platform.regular import is_regular
from core.store.arrays import ArrayStore
from core.store.names import FORGETTING
from core.store.upgrade import BACKUPS

_LARGEST = 16 << 20


class FilesLeftError(StorageFullError):
    """The rows of a patient are gone, and files of theirs are still there."""


class ForgettingList(msgspec.Struct, frozen=True, kw_only=True):
    patient_id: str
    image_ids: tuple[str, ...]


def write_list(folder: Path, what: ForgettingList) -> None:
    """StorageFullError where there is no room; nothing was deleted then."""
    atomic_write(folder / FORGETTING, msgspec.json.encode(what))


def drop_list(folder: Path) -> None:
    (folder / FORGETTING).unlink(missing_ok=True)


def read_list(folder: Path) -> ForgettingList | None:
    """Return the list of a forgetting that was not finished; None where there is none."""
    path = folder / FORGETTING
    if not is_regular(path) or path.stat().st_size > _LARGEST:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=ForgettingList)
    except (OSError, msgspec.MsgspecError):
        return None


def delete_listed(folder: Path, arrays: ArrayStore, what: ForgettingList) -> None:
    """Delete the files of a patient whose rows are gone, and the list.

    Raises: FilesLeftError if a file cannot be deleted now; the next opening for writing tries again.
    """
    try:
        for image_id in what.image_ids:
            arrays.delete_pixels(image_id)
        for name in arrays.derived_files():
            arrays.delete_derived(name)
        for copy in (folder / BACKUPS).glob("*.db"):
            copy.unlink(missing_ok=True)
        drop_list(folder)
    except OSError as error:
        raise FilesLeftError(
            message(
                "The patient is out of the study, but not all files could be deleted: the disk is failing. They "
                "are deleted when the study is opened for writing the next time."
            )
        ) from error
