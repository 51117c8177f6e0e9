"""Words of the program as coded concepts of the standard (PS3.16), and back."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from pydicom.sr.coding import Code

from core.domain.vocabulary import (
    MARGIN_SNOMED,
    BiradsCategory,
    Laterality,
    MarginType,
    MassDensity,
    MassShape,
    Pathology,
    ViewPosition,
)

T = TypeVar("T", bound=StrEnum)
OWN = "99MARGINALIA"
"""Coding scheme of what the standard has no code for."""

MARGINS, SHAPE, DENSITY = (
    Code("111037", "DCM", "Margins"),
    Code("300842002", "SCT", "Shape"),
    Code("111035", "DCM", "Lesion Density"),
)
CATEGORY, PATHOLOGY = Code("111005", "DCM", "Assessment Category"), Code("111042", "DCM", "Pathology")
CANCER = Code("111047", "DCM", "Probability of cancer")
COMMENT = Code("121106", "DCM", "Comment")
MASS = Code("129788004", "SCT", "Mammographic breast mass")
BREAST = Code("76752008", "SCT", "Breast")
MAMMOGRAPHY = Code("71651007", "SCT", "Mammography")
PEN = Code("pen-width", OWN, "Pen width")
LOGIT, SHARE = Code("logit", OWN, "Score of margin class"), Code("probability", OWN, "Probability of margin class")
CONTRIBUTION = Code("contribution", OWN, "Contribution of prototype")
PRECEDENT = Code("precedent", OWN, "Precedent among the training cases")
NO_PRECEDENT, HAS_PRECEDENT = Code("none", OWN, "None: no prediction"), Code("found", OWN, "Found")
PREDICTED = Code("predicted-margin", OWN, "Margin class with the largest score")
REGION_ROLE = Code("region", OWN, "What the region marks")
OUTLINE = Code("outline", OWN, "Outline of the lesion")
FINE_ROLES = {
    "prominent": Code("fine-prominent", OWN, "Fine annotation: prominent feature"),
    "margin": Code("fine-margin", OWN, "Fine annotation: margin"),
}
ORIGIN = Code("origin", OWN, "How the shape came into the annotation")
ORIGINS = {
    "drawn": Code("drawn", OWN, "Drawn by the reader"),
    "proposed": Code("proposed", OWN, "Proposed by the program, accepted as it was"),
    "edited": Code("edited", OWN, "Proposed by the program, changed by the reader"),
}
ONE, PERCENT = Code("1", "UCUM", "no units"), Code("%", "UCUM", "Percent")
MILLIMETRE, PIXELS = Code("mm", "UCUM", "mm"), Code("{pixels}", "UCUM", "pixels")

MARGIN_CODES = {
    # context group CID 6006
    MarginType.CIRCUMSCRIBED: Code(MARGIN_SNOMED[MarginType.CIRCUMSCRIBED], "SCT", "Circumscribed lesion"),
    MarginType.MICROLOBULATED: Code(MARGIN_SNOMED[MarginType.MICROLOBULATED], "SCT", "Microlobulated lesion"),
    MarginType.OBSCURED: Code(MARGIN_SNOMED[MarginType.OBSCURED], "SCT", "Obscured lesion"),
    MarginType.INDISTINCT: Code(MARGIN_SNOMED[MarginType.INDISTINCT], "SCT", "Indistinct lesion"),
    MarginType.SPICULATED: Code(MARGIN_SNOMED[MarginType.SPICULATED], "SCT", "Spiculated lesion"),
}
SHAPE_CODES = {
    # CID 6004
    MassShape.OVAL: Code("84360004", "SCT", "Ovoid shape (Oval)"),
    MassShape.ROUND: Code("42700002", "SCT", "Round shape"),
    MassShape.IRREGULAR: Code("49608001", "SCT", "Irregular"),
}
DENSITY_CODES = {
    # CID 6008
    MassDensity.FAT_CONTAINING: Code("129747004", "SCT", "Fat containing (radiolucent) lesion"),
    MassDensity.LOW: Code("129746008", "SCT", "Low density (not containing fat) lesion"),
    MassDensity.EQUAL: Code("129745007", "SCT", "Equal density (isodense) lesion"),
    MassDensity.HIGH: Code("129744006", "SCT", "High density lesion"),
}
_BIRADS_EDITION = "4.0"


def _assessment(value: str, meaning: str) -> Code:
    return Code(value, "BI", meaning, _BIRADS_EDITION)


CATEGORY_CODES = {
    # CID 6026
    BiradsCategory.INCOMPLETE: _assessment("II.AC.a", "0 - Need additional imaging evaluation"),
    BiradsCategory.NEGATIVE: _assessment("II.AC.b.1", "1 - Negative"),
    BiradsCategory.BENIGN: _assessment("II.AC.b.2", "2 - Benign Finding"),
    BiradsCategory.PROBABLY_BENIGN: _assessment(
        "II.AC.b.3", "3 - Probably Benign Finding - short interval follow-up"
    ),
    BiradsCategory.SUSPICIOUS: _assessment("II.AC.b.4", "4 - Suspicious abnormality, biopsy should be considered"),
    BiradsCategory.LOW_SUSPICION: _assessment("MA.II.A.5.4A", "4A - Low suspicion"),
    BiradsCategory.MODERATE_SUSPICION: _assessment("MA.II.A.5.4B", "4B - Intermediate suspicion"),
    BiradsCategory.HIGH_SUSPICION: _assessment("MA.II.A.5.4C", "4C - Moderate suspicion"),
    BiradsCategory.HIGHLY_SUGGESTIVE: _assessment("II.AC.b.5", "5 - Highly suggestive of malignancy"),
    BiradsCategory.PROVEN: _assessment("MA.II.A.5.6", "6 - Known biopsy proven malignancy"),
}
PATHOLOGY_CODES = {
    Pathology.BENIGN: Code("30807003", "SCT", "Benign"),
    Pathology.MALIGNANT: Code("21594007", "SCT", "Malignant"),
}
SIDES = {Laterality.LEFT: Code("7771000", "SCT", "Left"), Laterality.RIGHT: Code("24028007", "SCT", "Right")}
VIEWS = {
    ViewPosition.CC: Code("399162004", "SCT", "cranio-caudal"),
    ViewPosition.MLO: Code("399368009", "SCT", "medio-lateral oblique"),
}


def word_of(codes: dict[T, Code], value: str) -> T | None:
    """The word with this code value; None where it is none of them."""
    return next((word for word, code in codes.items() if code.value == value), None)
