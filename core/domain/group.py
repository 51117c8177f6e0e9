"""Work of several readers on one study: who labels which lesion, and what counts where they differ.

An *assignment* gives a lesion to a reader, to label and draw it, or to adjudicate it. A lesion with two such
readers is a double reading. When a reader finishes an assignment, the labels and the drawing of that moment are
kept as the reader's *first labels*: agreement is computed from them, and until then the reader is blinded. The
*consensus* is what counts for the lesion, made by the rule where the first labels agree and by *adjudication*, the
decision of a further reader, where they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from core.domain.study import Labels

COMPARED = ("margin", "shape")
"""Labels on which a difference is a disagreement: those that a model is trained on."""
_WORDS = ("margin", "shape", "density", "category", "pathology")


class Purpose(StrEnum):
    """Work that a reader is to do on an assigned lesion."""

    LABEL = "label"
    ADJUDICATE = "adjudicate"


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A lesion that was given to a reader."""

    lesion_id: str
    reader_id: str
    purpose: Purpose
    created_utc: str
    finished_utc: str | None = None
    labels: Labels | None = None
    """First labels: those of the reader when the assignment was finished; None before, and for an adjudicator."""
    revision: int = 0
    """Revision of the reader's drawing at that moment; 0 where nothing was drawn, or before."""

    @property
    def open(self) -> bool:
        return self.finished_utc is None


class How(StrEnum):
    """How a consensus came about."""

    AGREED = "agreed"
    ADJUDICATED = "adjudicated"
    WITHDRAWN = "withdrawn"


class ConsensusSource(msgspec.Struct, frozen=True, kw_only=True):
    """First labels that a consensus was made from."""

    reader_id: str
    labels: Labels
    revision: int
    """Revision of the reader's drawing; 0 where nothing was drawn."""


class Consensus(msgspec.Struct, frozen=True, kw_only=True):
    """Labels and drawing that count for a lesion, with their provenance.

    Rows are only appended; the highest revision stands.
    """

    lesion_id: str
    revision: int
    """From 1."""
    how: How
    reader_id: str | None
    """The adjudicator; None where the rule made it."""
    labels: Labels
    drawn_by: str | None = None
    """Id of the reader whose drawing counts: one of the sources, or the adjudicator; None for no drawing."""
    drawn_revision: int = 0
    """Revision of that drawing; 0 for no drawing."""
    sources: tuple[ConsensusSource, ...]
    who: str
    """Name of the person, as in the audit trail."""
    created_utc: str


def differing(calls: Sequence[Labels]) -> tuple[str, ...]:
    """Names of the compared labels on which the calls differ; a label that one of them leaves open differs from
    none."""
    return tuple(name for name in COMPARED if len(_said(calls, name)) > 1)


def merged(calls: Sequence[Labels]) -> Labels:
    """Labels that all calls agree on; None where two differ. Estimates of malignancy are averaged."""
    words = {name: _said(calls, name) for name in _WORDS}
    chances = [call.probability_of_malignancy for call in calls if call.probability_of_malignancy is not None]
    return msgspec.structs.replace(
        Labels(),
        **{name: next(iter(said)) if len(said) == 1 else None for name, said in words.items()},
        probability_of_malignancy=sum(chances) / len(chances) if chances else None,
    )


def sources_of(assignments: Iterable[Assignment]) -> tuple[ConsensusSource, ...]:
    """First labels of the finished assignments to label, in the order given."""
    return tuple(
        ConsensusSource(reader_id=one.reader_id, labels=one.labels, revision=one.revision)
        for one in assignments
        if one.purpose is Purpose.LABEL and one.labels is not None
    )


def is_settled(assignments: Sequence[Assignment]) -> bool:
    """Return True if at least two readers were to label the lesion and all of them finished."""
    labelling = [one for one in assignments if one.purpose is Purpose.LABEL]
    return len(labelling) > 1 and not any(one.open for one in labelling)


def _said(calls: Sequence[Labels], name: str) -> set[object]:
    return {value for call in calls if (value := getattr(call, name)) is not None}
