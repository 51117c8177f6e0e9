"""Place of the user in a study at its closing, kept with the settings of this computer.

Only random identifiers and numbers are kept: nothing of a patient.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from app.qt import settings
from core.domain.geometry import Point
from core.domain.study import Window


class SeenPicture(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a picture was seen, and how it was windowed."""

    zoom: float | None = None
    """Device pixels in a pixel of the image; None where the picture was fitted."""
    centre: Point = (0.0, 0.0)
    choice: int | None = 0
    """The chosen window of the file by its place; None where the reader had set ``window``."""
    window: Window | None = None
    inverted: bool = False


class StudyPlace(msgspec.Struct, frozen=True, kw_only=True):
    image_id: str | None = None
    lesion_id: str | None = None
    seen: SeenPicture = SeenPicture()
    only: str = ""
    order: str = ""
    """Names of the worklist's filter and order; empty: as at first."""
    split_id: str = ""
    part: str = ""


def read_place(folder: Path) -> StudyPlace:
    """Return the user's place in the study of this folder; the beginning if it is unknown."""
    try:
        return msgspec.json.decode(settings.text(_key(folder), "{}"), type=StudyPlace)
    except msgspec.MsgspecError:
        return StudyPlace()


def store_place(folder: Path, place: StudyPlace) -> None:
    settings.put(_key(folder), msgspec.json.encode(place).decode())


def _key(folder: Path) -> str:
    return "place/" + hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:24]
