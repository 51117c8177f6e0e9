"""Settings of the user on this computer. They never contain anything of a patient."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import platformdirs
from PySide6.QtCore import QByteArray, QSettings

_RECENT = "recent/studies"
_MOST = 8


def settings_file() -> Path:
    """Return the settings file of this user.

    The environment variable MARGINALIA_SETTINGS names another one (tests, a shared station)."""
    named = os.environ.get("MARGINALIA_SETTINGS")
    return Path(named) if named else Path(platformdirs.user_config_dir("marginalia")) / "window.ini"


def settings() -> QSettings:
    return QSettings(str(settings_file()), QSettings.Format.IniFormat)


def text(key: str, default: str = "") -> str:
    value = settings().value(key, default)
    return value if isinstance(value, str) else default


def put(key: str, value: str | QByteArray) -> None:
    settings().setValue(key, value)


def state(key: str) -> QByteArray | None:
    """Geometry of a window or splitter, as Qt wrote it."""
    value = settings().value(key)
    return value if isinstance(value, QByteArray) else None


@dataclass(frozen=True, kw_only=True)
class RecentStudy:
    folder: Path
    name: str
    opened_utc: str = ""


def recent() -> list[RecentStudy]:
    """The newest first; folders that are gone stay listed until the user opens them (a drive may be unplugged)."""
    found = []
    for line in text(_RECENT).split("\n"):
        folder, _, rest = line.partition("\t")
        name, _, opened = rest.partition("\t")
        if folder:
            found.append(RecentStudy(folder=Path(folder), name=name or Path(folder).name, opened_utc=opened))
    return found


def recent_studies() -> list[Path]:
    return [study.folder for study in recent()]


def remember_study(folder: Path, name: str = "") -> None:
    """Store the study as the most recent one, with its name and the current time."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    this = RecentStudy(folder=folder, name=" ".join(name.split()) or folder.name, opened_utc=now)
    _put_recent([this, *(known for known in recent() if known.folder != folder)][:_MOST])


def forget_study(folder: Path) -> None:
    _put_recent([known for known in recent() if known.folder != folder])


def _put_recent(studies: list[RecentStudy]) -> None:
    put(_RECENT, "\n".join(f"{one.folder}\t{one.name}\t{one.opened_utc}" for one in studies))
