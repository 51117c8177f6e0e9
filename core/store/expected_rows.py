"""Rows that a study must have according to the audit trail, as ``core.store.replay`` gathers them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any


def case_hash(reader_study_id: str, lesion_id: str) -> str:
    """Return the trail's name of a lesion in a reader study: not its id, which goes when a patient is erased."""
    return hashlib.sha256(f"{reader_study_id} {lesion_id}".encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Sealed:
    """A row that must be there."""

    seal: bytes
    counter: int
    """Number of the record."""


@dataclass(kw_only=True)
class Kept:
    """A reading or an opinion, which is never deleted but can be taken back."""

    seal: bytes
    at_utc: str
    who: str
    counter: int
    verdict: bool = False
    withdrawn_utc: str | None = None


@dataclass(kw_only=True)
class LesionRow:
    """Lesion with all its labels and other entries, which are removed with it."""

    finding_id: str
    image_id: str
    number: int
    outline: bytes
    """Its seal."""
    frame: int
    counter: int
    labels: dict[str | None, Sealed] = field(default_factory=dict)
    """By reader; None for the data set."""
    annotations: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)
    """Hash of the shapes and time of the commit, by reader and revision."""
    readings: dict[tuple[str, str, str], Sealed] = field(default_factory=dict)
    """By reader study, reader and condition."""
    case_readings: dict[str, list[Kept]] = field(default_factory=dict)
    """By reader."""
    opinions: dict[str, list[Kept]] = field(default_factory=dict)
    """By run."""
    assignments: dict[str, Sealed] = field(default_factory=dict)
    """By reader."""
    consensus: dict[int, Sealed] = field(default_factory=dict)
    """By revision."""


@dataclass(kw_only=True)
class ExpectedSplit:
    name: str
    seed: int
    parts: dict[str, str]
    at_utc: str
    counter: int


@dataclass(kw_only=True)
class ReaderStudyRow:
    row: dict[str, Any]
    cases: tuple[str, ...] | None
    """Hashes of the lesions in their order; None where the record holds none."""
    lesions: int
    counter: int
