"""Which keys do what: defaults, the PACS preset, the user's own choice, and what is in conflict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import msgspec
from PySide6.QtCore import QLocale
from PySide6.QtGui import QGuiApplication, QKeySequence

from app.actions.catalogue import ActionSpec, sequences
from app.qt import settings

RESERVED = ("Esc", "Return", "Enter", "Backspace", "Del", "Space", "G", "Tab")
"""Keys of the view itself: cancel, finish, last vertex, delete, pan, peek."""
_WITH_PICTURE = ("", "annotate")
"""Screens on which the picture has these keys; those of the others may use them."""
_OWN, _PRESET, _AZERTY = "shortcuts/own", "shortcuts/preset", "shortcuts/azerty"
_AZERTY_ROW = dict(zip("1234567890-", "&É\"'(-È_ÇÀ)", strict=True))
"""Characters that the upper row gives without Shift where other keyboards give a digit or minus."""


class KeymapPreset(StrEnum):
    STANDARD = "standard"
    PACS = "pacs"


Keymap = Mapping[str, tuple[str, ...]]
"""Action id to key sequences in Qt's portable form."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    sequence: str
    actions: tuple[str, ...]
    """Ids; one alone where the key belongs to the view."""


def preset_keymap(
    actions: tuple[ActionSpec, ...], preset: KeymapPreset, *, azerty: bool | None = None
) -> dict[str, tuple[str, ...]]:
    """Return the keys of every action. ``azerty``: for a French keyboard; None: by the user or the system."""
    keymap = {
        spec.id: sequences(spec.pacs if preset is KeymapPreset.PACS and spec.pacs is not None else spec.shortcut)
        for spec in actions
    }
    if is_azerty() if azerty is None else azerty:
        return {action: _on_azerty(keys) for action, keys in keymap.items()}
    return keymap


def is_azerty() -> bool:
    """Return True if the keyboard is French: by the user's setting, else by the system's input language."""
    chosen = settings.text(_AZERTY)
    if chosen:
        return chosen == "on"
    # without an application there is no input method
    if QGuiApplication.instance() is None:
        return False
    locale = QGuiApplication.inputMethod().locale()
    french = locale.language() == QLocale.Language.French
    return french and locale.territory() in (QLocale.Country.France, QLocale.Country.Belgium)


def set_azerty(on: bool) -> None:
    settings.put(_AZERTY, "on" if on else "off")


def _on_azerty(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The key at the same place of a French keyboard first; the printed digit, typed with Shift, stays too."""
    there = tuple(_AZERTY_ROW[key] for key in keys if key in _AZERTY_ROW)
    return there + tuple(key for key in keys if key != "-")


def conflicts(keymap: Keymap, actions: Sequence[ActionSpec]) -> tuple[Conflict, ...]:
    """Sequences that two actions of one screen have, or that the picture of that screen needs for itself."""
    users: dict[str, list[ActionSpec]] = defaultdict(list)
    for spec in actions:
        for key in keymap.get(spec.id, ()):
            users[portable(key)].append(spec)
    reserved = {portable(key) for key in RESERVED}
    found = []
    for key, specs in users.items():
        meeting = [spec for pair in combinations(specs, 2) if pair[0].meets(pair[1]) for spec in pair]
        taken = [spec for spec in specs if key in reserved and spec.screen in _WITH_PICTURE]
        if meeting or taken:
            ids = tuple(dict.fromkeys(spec.id for spec in meeting or taken))
            found.append(Conflict(sequence=key, actions=ids))
    return tuple(found)


def portable(sequence: str) -> str:
    """One spelling per sequence."""
    return QKeySequence(sequence).toString(QKeySequence.SequenceFormat.PortableText)


def native(keys: tuple[str, ...]) -> str:
    """Return the keys in the notation of the user's system."""
    return ", ".join(QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText) for key in keys)


def chosen_preset() -> KeymapPreset:
    found = settings.text(_PRESET)
    return KeymapPreset(found) if found in set(KeymapPreset) else KeymapPreset.STANDARD


def load_keymap(actions: tuple[ActionSpec, ...]) -> dict[str, tuple[str, ...]]:
    """Return the preset with the user's own changes; entries of actions that no longer exist are ignored."""
    keymap = preset_keymap(actions, chosen_preset())
    try:
        own = msgspec.json.decode(settings.text(_OWN, "{}"), type=dict[str, tuple[str, ...]])
    except msgspec.MsgspecError:
        own = {}
    return keymap | {action: keys for action, keys in own.items() if action in keymap}


def store_keymap(actions: tuple[ActionSpec, ...], keymap: Keymap, preset: KeymapPreset) -> None:
    """Remember the preset and what differs from it."""
    base = preset_keymap(actions, preset)
    own = {action: keys for action, keys in keymap.items() if base.get(action) != keys}
    settings.put(_PRESET, preset.value)
    settings.put(_OWN, msgspec.json.encode(own).decode())
