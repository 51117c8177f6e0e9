"""Opinions that readers give in Review: their own reading of a lesion, and their verdict on an explanation."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Verdict(StrEnum):
    """A reader's judgement of the explanation of one lesion."""

    AGREE = "agree"
    DISAGREE = "disagree"
    WRONG_REGION = "wrong region"
    WRONG_PROTOTYPE = "wrong prototype"
    COMMENT = "comment"


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    lesion_id: str
    run_id: str
    verdict: Verdict
    prototype: int | None = None
    """Number, from 1 in the unpruned model, where the verdict is about one."""
    comment: str = ""
    revision_id: str = ""
    """The model revision whose explanation was seen."""


class GivenOpinion(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    """Number of the row; 0 is never used."""
    opinion: Opinion
    who: str
    """Name of the reader."""
    at_utc: str


class CaseReading(msgspec.Struct, frozen=True, kw_only=True):
    """A reader's own call in Review, given before the model's answer was shown. It is no label: nothing is trained
    or tested on it."""

    lesion_id: str
    reader_id: str
    run_id: str
    """The run whose model was shown afterwards."""
    revision_id: str = ""
    label: Literal["margin", "shape"]
    word: str
    """Value of ``MarginType`` or ``MassShape``, depending on ``label``."""
    probability_of_malignancy: Share | None = None
    created_utc: str
