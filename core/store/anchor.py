"""The head of the audit trail, kept outside the study: whoever rewrites the whole trail cannot rewrite that too.

A head is the number and the hash of the newest record, as ``number:hash``. Every backup holds one, and so do the
card of every model and every evaluation's page, as a line of text; with MARGINALIA_ANCHORS a file, which can be of
another owner and append-only, gets one line each time that a study is closed after a change.
"""

from __future__ import annotations

import contextlib
import os
import re
import zipfile
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError
from core.domain.messages import message

VARIABLE = "MARGINALIA_ANCHORS"
_HEAD = re.compile(r"([1-9][0-9]{0,14}|0):([0-9a-f]{64})")
_LARGEST = 64 << 20
NOTE = "audit trail"
"""Name of the line with a head, in the notes of a model's card and in the provenance of a page."""
_WRITTEN = re.compile(rb"head of the audit trail of study ([0-9a-f-]{1,64}): ([0-9]{1,15}:[0-9a-f]{64})")
_CARD = "model.json"


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The newest record of an audit trail at some time."""

    counter: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.counter}:{self.sha256}"


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the file of anchors."""

    utc: str
    study_id: str
    head: str


class _BackupHead(msgspec.Struct, frozen=True):
    study_id: str
    head: str = ""


def anchor_text(study_id: str, head: Head) -> str:
    """Return the line that a card or a page has, and that ``read_anchor`` finds in it."""
    return f"head of the audit trail of study {study_id}: {head}"


def head_of(text: str) -> Head:
    """Inverse of ``str``; BadFileError for another text."""
    found = _HEAD.fullmatch(text.strip())
    if found is None:
        raise BadFileError(
            message("{text!r} is not a head of an audit trail: a head has the form NUMBER:SHA256.", text=text[:80])
        )
    return Head(counter=int(found[1]), sha256=found[2])


def read_anchor(text: str, study_id: str) -> Head:
    """A head that was kept of this study: itself as text, in a backup, a model or a page, or in a file of anchors.

    Of several, the newest is returned.

    Raises: BadFileError if there is none of this study.
    """
    path = Path(text)
    if _HEAD.fullmatch(text.strip()) or not path.is_file():
        return head_of(text)
    if zipfile.is_zipfile(path):
        return _of_archive(path, study_id)
    if path.stat().st_size > _LARGEST:
        raise BadFileError(message("{file} is too large for a file of anchors.", file=path.name))
    content = path.read_bytes()
    heads = _written(content, study_id)
    for line in content.splitlines():
        with contextlib.suppress(msgspec.DecodeError, BadFileError):
            anchor = msgspec.json.decode(line, type=_Line)
            if anchor.study_id == study_id:
                heads.append(head_of(anchor.head))
    if not heads:
        raise BadFileError(message("{file} holds no head of this study's audit trail.", file=path.name))
    return max(heads, key=lambda head: head.counter)


def _written(content: bytes, study_id: str) -> list[Head]:
    found = _WRITTEN.findall(content)
    return [head_of(head.decode()) for study, head in found if study.decode() == study_id]


def _of_archive(path: Path, study_id: str) -> Head:
    """Heads of a backup by its manifest, of a shared model by its card."""
    try:
        with zipfile.ZipFile(path) as archive:
            if _CARD in archive.namelist():
                with archive.open(_CARD) as file:
                    heads = _written(file.read(_LARGEST), study_id)
                if not heads:
                    raise BadFileError(
                        message("{file} holds no head of this study's audit trail.", file=path.name)
                    )
                return max(heads, key=lambda head: head.counter)
            with archive.open("manifest.json") as file:
                manifest = msgspec.json.decode(file.read(_LARGEST), type=_BackupHead)
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise BadFileError(message("{file} is not a backup of a study.", file=path.name)) from error
    if manifest.study_id != study_id:
        raise BadFileError(message("{file} is a backup of another study.", file=path.name))
    if not manifest.head:
        raise BadFileError(
            message("{file} was made by a version that kept no head of the audit trail.", file=path.name)
        )
    return head_of(manifest.head)


def append_anchor(study_id: str, head: Head, utc: str) -> None:
    """Add a line to the file that the environment names; nothing happens where it names none.

    Raises: OSError if the file cannot be written.
    """
    named = os.environ.get(VARIABLE)
    if named:
        line = msgspec.json.encode(_Line(utc=utc, study_id=study_id, head=str(head))) + b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(named, flags, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
