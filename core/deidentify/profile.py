"""Basic Application Level Confidentiality Profile as a table: DICOM PS3.15, Table E.1-1.

``resources/deidentify/basic_profile.json`` contains every row of the published table. The result of an alternative
such as X/Z/D is decided here, once. It is the one with which every object stays valid, since a dummy value reveals
as little as no value.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.resources import files

import msgspec

ODD_GROUP, CURVES, OVERLAYS = "private", "50xxxxxx", "60xx"


class Action(StrEnum):
    """Treatment of an attribute."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    UID = "U"
    """Replaced by another UID, the same one wherever it stands."""


_CHOICE = {
    "X": Action.REMOVE,
    "Z": Action.EMPTY,
    "D": Action.DUMMY,
    "U": Action.UID,
    "X/Z": Action.EMPTY,
    "X/D": Action.DUMMY,
    "Z/D": Action.DUMMY,
    "X/Z/D": Action.DUMMY,
    "X/Z/U*": Action.UID,
}


class AttributeRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    tag: str
    """Eight hex digits; ``50xxxxxx``, ``60xx3000``, ``60xx4000`` and ``private`` stand for many."""
    code: str
    """Code as printed in the column of the Basic Profile."""
    name: str

    @property
    def action(self) -> Action:
        return _CHOICE[self.code]


class _ProfileDocument(msgspec.Struct, frozen=True):
    source: str
    edition: str
    rows: tuple[tuple[str, str, str], ...]


@cache
def basic_profile() -> dict[str, AttributeRule]:
    """Every row, by its tag."""
    content = files("resources").joinpath("deidentify", "basic_profile.json").read_bytes()
    document = msgspec.json.decode(content, type=_ProfileDocument)
    return {tag: AttributeRule(tag=tag, code=code, name=name) for tag, code, name in document.rows}


def edition() -> str:
    """Return the edition of the standard that the table is from."""
    content = files("resources").joinpath("deidentify", "basic_profile.json").read_bytes()
    return msgspec.json.decode(content, type=_ProfileDocument).edition


def rule_of(tag: int) -> AttributeRule | None:
    """Return the row for this tag; None if the profile leaves it unchanged."""
    group, profile = tag >> 16, basic_profile()
    if group % 2:
        return profile[ODD_GROUP]
    if 0x5000 <= group <= 0x50FF:
        return profile[CURVES]
    if 0x6000 <= group <= 0x60FF:
        return profile.get(f"{OVERLAYS}{tag & 0xFFFF:04X}")
    return profile.get(f"{tag:08X}")
