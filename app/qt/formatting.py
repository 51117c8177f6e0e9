"""The vocabulary's words in the user's language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

from PySide6.QtCore import QDateTime, QLocale

from app.qt.translation import tr
from core.domain.units import UNITS
from core.domain.vocabulary import Laterality, ViewPosition

VOCABULARY = (
    "circumscribed",
    "obscured",
    "microlobulated",
    "indistinct",
    "spiculated",
    "oval",
    "round",
    "irregular",
    "fat-containing",
    "low",
    "equal",
    "high",
    "benign",
    "malignant",
    "training",
    "validation",
    "test",
    "prominent",
    "margin",
    "agree",
    "disagree",
    "wrong region",
    "wrong prototype",
    "comment",
    "keep",
    "not medically relevant",
    "no mark",
    "disagreement",
    "low evidence",
    "error",
    "order of the study",
    "shuffled",
    "readers, else data set",
    "data set, else readers",
    "readers alone",
    "data set alone",
    "consensus, else readers",
    "consensus alone",
    "leave out",
    "majority",
    "first reader",
    "majority, else first reader",
    "its own scale",
    "as this lesion",
    "to its highest value",
    "all lesions",
    "without precedent",
    "not read by you",
    "with an opinion",
    "exact duplicate",
    "near duplicate",
    "impure",
    "never inside the margin",
    "As trained",
    "Pruned in the parent run",
    "planned",
    "running",
    "finished",
    "failed",
    "cancelled",
    "not divided yet",
    "the libraries of the model",
    "the model and the lesions",
    "regions of interest",
    "the pictures of the prototypes",
    "the list of lesions",
    *UNITS,
)
"""Words of the engine's vocabularies that are shown; the translations must have them all."""


def word(value: StrEnum) -> str:
    return tr(value.value)


def view_name(laterality: Laterality | None, view: ViewPosition | None) -> str:
    """Return the view in radiologists' notation: "R CC"."""
    shown = view.value if view not in (None, ViewPosition.OTHER) and view is not None else ""
    return " ".join(part for part in ((laterality.value if laterality else ""), shown) if part)


def number(value: int) -> str:
    """A whole number in the user's own form: 100,000 or 100.000."""
    return QLocale().toString(value)


def decimal(value: float, digits: int) -> str:
    """Return the value with this number of decimal places, after a point or comma as the user writes them."""
    return QLocale().toString(value, "f", digits)


def listed(parts: Sequence[str]) -> str:
    """The parts as a sentence lists them: "1, 2 and 3"."""
    if len(parts) < 2:
        return "".join(parts)
    return tr("{first} and {last}", first=", ".join(parts[:-1]), last=parts[-1])


def one_or_many(count: int, one: str, many: str) -> str:
    """The text for this number of things."""
    return one if count == 1 else many


def local_time(at_utc: str) -> str:
    """A UTC time of the study in the user's own time and form."""
    at = datetime.fromisoformat(at_utc)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    moment = QDateTime.fromSecsSinceEpoch(int(at.timestamp()))
    return QLocale().toString(moment, QLocale.FormatType.ShortFormat)
