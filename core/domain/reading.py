"""A reader study: lesions read without and then with the model, in an order drawn from a seed."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated

import msgspec

from core.domain.vocabulary import MarginType

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Trust = Annotated[int, msgspec.Meta(ge=1, le=5)]


class Condition(StrEnum):
    """Information that the reader sees beside the images."""

    ALONE = "alone"
    WITH_MODEL = "with the model"


class ReaderStudy(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    run_id: str
    revision_id: str
    """Revision of the model that the readers see; it stays the same while the study lasts."""
    lesion_ids: tuple[str, ...]
    """In the order of the study; each reader reads in an order of their own."""
    seed: int
    created_utc: str

    def order_for(self, reader_id: str) -> tuple[str, ...]:
        """The lesions in the order in which this reader reads them: drawn from the seed, the same every time."""

        def draw(lesion_id: str) -> bytes:
            return hashlib.sha256(f"{self.seed}|{reader_id}|{lesion_id}".encode()).digest()

        return tuple(sorted(self.lesion_ids, key=draw))


class StudyReading(msgspec.Struct, frozen=True, kw_only=True):
    """Reading of one lesion by one reader under one condition; never changed afterwards."""

    reader_study_id: str
    lesion_id: str
    reader_id: str
    condition: Condition
    margin: MarginType
    probability_of_malignancy: Share
    trust: Trust | None = None
    """In the model's explanation, from 1 (none) to 5 (full); None for a reading alone."""
    seconds: float
    """From the first sight of the lesion under this condition to the answer."""
    created_utc: str
