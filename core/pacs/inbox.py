"""Inbox: objects from a PACS that wait for their import, with a journal of the objects still expected.

There is one folder per examination and one file per object. Every name is a hash of ours, so no foreign text
reaches a path. A file is present whole or not at all. So the files and the journal's list of expected objects
together show which objects are missing, whatever interrupted the transfer. The inbox is outside every study,
readable to its user only, and emptied by the import.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from core.domain.errors import PacsError
from core.domain.messages import message
from core.pacs.query import FoundImage
from core.platform.atomic import atomic_write, make_folder
from core.platform.system import try_lock, unlock

_JOURNAL, _LOCK, _ENDING = "journal.json", "lock", ".dcm"


class TransferJournal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Objects expected of one examination, without names; UIDs are needed to request missing objects."""

    profile: str
    source: str
    """The institution, as ``source`` of imported patients."""
    study_uid: str = ""
    """"" for what a PACS pushed."""
    modality: str = ""
    expected: tuple[FoundImage, ...] = ()
    begun: str
    """UTC."""
    stopped: str = ""
    """Why the last attempt ended before everything was there; "" while it runs or when all is there."""
    whole: bool = False
    """True if the association of a push was released as agreed."""


class Transfer:
    """One examination in the inbox."""

    def __init__(self, folder: Path, journal: TransferJournal) -> None:
        self.folder = folder
        self.journal = journal

    @property
    def id(self) -> str:
        """Its name in the inbox, for people to point at it."""
        return self.folder.name

    def path_of(self, sop_uid: str) -> Path:
        return self.folder / f"{_hashed(sop_uid)}{_ENDING}"

    @property
    def files(self) -> list[Path]:
        """Return the files that are present, each whole."""
        return sorted(path for path in self.folder.glob(f"*{_ENDING}") if not path.name.startswith("."))

    @property
    def missing(self) -> tuple[FoundImage, ...]:
        return tuple(image for image in self.journal.expected if not self.path_of(image.sop_uid).is_file())

    @property
    def complete(self) -> bool:
        """Return True if all expected objects are present; for a push, if the sender ended as agreed."""
        return not self.missing if self.journal.study_uid else self.journal.whole

    def mark(self, *, stopped: str = "", whole: bool | None = None) -> None:
        """Write into the journal why it stopped, or that a push is whole."""
        whole = self.journal.whole if whole is None else whole
        self._write(msgspec.structs.replace(self.journal, stopped=stopped, whole=whole))

    def _write(self, journal: TransferJournal) -> None:
        self.journal = journal
        atomic_write(self.folder / _JOURNAL, msgspec.json.encode(journal))

    @contextmanager
    def held(self) -> Iterator[None]:
        """PacsError where another program works on the same examination."""
        with (self.folder / _LOCK).open("rb") as file:
            if not try_lock(file):
                raise PacsError(
                    message("This examination is being transferred by another program; wait until it has ended.")
                )
            try:
                yield
            finally:
                unlock(file)

    def discard(self) -> None:
        """Delete it, after its import or because nobody wants it."""
        # the journal first: without it the rest is no transfer any more
        (self.folder / _JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


class Inbox:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, journal: TransferJournal) -> Transfer:
        """The transfer of an examination, new or taken up again: what is there of it stays."""
        folder = self._folder(_hashed(f"{journal.profile}\n{journal.study_uid}\n{journal.modality}"))
        for left in folder.glob(".*.part"):
            left.unlink(missing_ok=True)
        transfer = Transfer(folder, journal)
        transfer._write(journal)
        return transfer

    def begin_push(self, profile: str, source: str, number: int) -> Transfer:
        """A transfer for what one association of a PACS brings."""
        stamp = now()
        folder = self._folder(_hashed(f"push\n{profile}\n{stamp}\n{number}"))
        transfer = Transfer(folder, TransferJournal(profile=profile, source=source, begun=stamp))
        transfer._write(transfer.journal)
        return transfer

    def transfers(self) -> tuple[Transfer, ...]:
        """All that wait, the oldest first; a folder whose journal cannot be read is not one."""
        found = []
        for path in self.folder.glob(f"*/{_JOURNAL}"):
            try:
                journal = msgspec.json.decode(path.read_bytes(), type=TransferJournal)
            except (OSError, msgspec.DecodeError):
                continue
            found.append(Transfer(path.parent, journal))
        return tuple(sorted(found, key=lambda transfer: (transfer.journal.begun, transfer.id)))

    def get(self, name: str) -> Transfer:
        """By the beginning of its id; PacsError where none, or more than one, has it."""
        found = [transfer for transfer in self.transfers() if name and transfer.id.startswith(name)]
        if len(found) != 1:
            how = message("no transfer") if not found else message("more than one transfer")
            raise PacsError(
                message("There is {how} {name} in the inbox; list them with `pacs inbox`.", how=how, name=name)
            )
        return found[0]

    def _folder(self, name: str) -> Path:
        make_folder(self.folder)
        self.folder.chmod(0o700)
        make_folder(self.folder / name)
        if not (self.folder / name / _LOCK).exists():
            atomic_write(self.folder / name / _LOCK, b"\0")
        return self.folder / name


def expected_journal(
    images: Iterable[FoundImage], *, profile: str, source: str, study_uid: str, modality: str
) -> TransferJournal:
    return TransferJournal(
        profile=profile, source=source, study_uid=study_uid, modality=modality, expected=tuple(images), begun=now()
    )


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
