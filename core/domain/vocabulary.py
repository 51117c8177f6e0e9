"""Words of BI-RADS and DICOM as the program uses them, with their codes. One word per thing, everywhere."""

from __future__ import annotations

from enum import StrEnum

DISCLAIMER = (
    "For research and education only. Not for clinical use. Not a medical device. "
    "The model's output must not influence patient care."
)
"""Stands on every window, export, report and model card (safety.md)."""


class MarginType(StrEnum):
    """BI-RADS margin of a mass (DICOM context group CID 6006)."""

    CIRCUMSCRIBED = "circumscribed"
    OBSCURED = "obscured"
    MICROLOBULATED = "microlobulated"
    INDISTINCT = "indistinct"
    SPICULATED = "spiculated"


MARGIN_SNOMED = {
    MarginType.CIRCUMSCRIBED: "129738007",
    MarginType.MICROLOBULATED: "129739004",
    MarginType.OBSCURED: "129740002",
    MarginType.INDISTINCT: "129741003",
    MarginType.SPICULATED: "129742005",
}

TRAINED_MARGINS = (MarginType.CIRCUMSCRIBED, MarginType.INDISTINCT, MarginType.SPICULATED)
"""The classes of the paper, in its order. Obscured and microlobulated are labelled but not trained on."""


class MassShape(StrEnum):
    """BI-RADS shape of a mass."""

    OVAL = "oval"
    ROUND = "round"
    IRREGULAR = "irregular"


class MassDensity(StrEnum):
    """BI-RADS density of a mass, relative to the gland."""

    FAT_CONTAINING = "fat-containing"
    LOW = "low"
    EQUAL = "equal"
    HIGH = "high"


class BreastComposition(StrEnum):
    """BI-RADS composition of the whole breast."""

    A = "a"
    B = "b"
    C = "c"
    D = "d"


class BiradsCategory(StrEnum):
    """BI-RADS assessment category."""

    INCOMPLETE = "0"
    NEGATIVE = "1"
    BENIGN = "2"
    PROBABLY_BENIGN = "3"
    SUSPICIOUS = "4"
    LOW_SUSPICION = "4a"
    MODERATE_SUSPICION = "4b"
    HIGH_SUSPICION = "4c"
    HIGHLY_SUGGESTIVE = "5"
    PROVEN = "6"


class Pathology(StrEnum):
    """Result of the biopsy; a lesion without one has None."""

    BENIGN = "benign"
    MALIGNANT = "malignant"


class Laterality(StrEnum):
    """Image Laterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"


class ViewPosition(StrEnum):
    """View of a screening mammogram; everything else is OTHER."""

    CC = "CC"
    MLO = "MLO"
    OTHER = "other"


class Part(StrEnum):
    """Part of a split by patient."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"
