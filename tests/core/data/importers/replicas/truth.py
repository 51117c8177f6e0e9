"""What an import of a replica must find: counted by whoever built it, not by the importer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from core.domain.vocabulary import MarginType, Pathology


@dataclass(frozen=True, kw_only=True)
class Truth:
    patients: int
    images: int
    lesions: int
    margins: Counter[MarginType | None] = field(default_factory=Counter)
    pathology: Counter[Pathology | None] = field(default_factory=Counter)
    said: tuple[str, ...] = ()
    """Of every planted trap, a part of the sentence that must say it."""
