"""Folders on this computer for data that belong to the program's user and to no study."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

STATE_VARIABLE = "MARGINALIA_STATE"


def state_folder() -> Path:
    """Return this user's state folder, or the one in MARGINALIA_STATE (environment; tests, a shared station)."""
    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_state_dir("marginalia"))


def readable(name: str) -> str:
    r"""The name of a file as text that every encoding of Unicode takes: bytes that are no text become ``\xff``."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
