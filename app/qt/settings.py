"""What the program remembers of its user on this computer. Nothing of a patient is ever in here."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs
from PySide6.QtCore import QByteArray, QSettings

_RECENT = "recent/studies"
_MOST = 8


def settings_file() -> Path:
    """Of this user; the environment variable MARGINALIA_SETTINGS names another one (tests, a shared station)."""
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


def recent_studies() -> list[Path]:
    """The newest first; folders that are gone stay listed until the user opens them (a drive may be unplugged)."""
    return [Path(line) for line in text(_RECENT).split("\n") if line]


def remember_study(folder: Path) -> None:
    rest = [known for known in recent_studies() if known != folder]
    put(_RECENT, "\n".join(str(known) for known in [folder, *rest][:_MOST]))


def forget_study(folder: Path) -> None:
    put(_RECENT, "\n".join(str(known) for known in recent_studies() if known != folder))
