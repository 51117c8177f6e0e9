"""Choices of this computer's user that several screens ask for, often while they paint."""

from __future__ import annotations

from app.qt import settings

_OTHERS_FIRST = "annotate/others_first"
_AT_LESION = "annotate/open_at_lesion"
_known: dict[tuple[str, str], bool] = {}
"""By file of settings and key, what was read from it."""


def shows_others_first() -> bool:
    """Return True if the data set's labels are shown before the reader gave their own, which they would anchor."""
    return _read(_OTHERS_FIRST)


def show_others_first(on: bool) -> None:
    _write(_OTHERS_FIRST, on)


def opens_at_lesion() -> bool:
    """Return True if a case is opened at its lesion instead of at the whole breast."""
    return _read(_AT_LESION)


def open_at_lesion(on: bool) -> None:
    _write(_AT_LESION, on)


def _read(key: str) -> bool:
    place = (str(settings.settings_file()), key)
    if place not in _known:
        _known[place] = settings.text(key) == "on"
    return _known[place]


def _write(key: str, on: bool) -> None:
    settings.put(key, "on" if on else "off")
    _known[str(settings.settings_file()), key] = on
