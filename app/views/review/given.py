"""Opinions of a reader in Review, as values to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.opinion import CaseReading, Opinion, Verdict
from core.store.database import now_utc

if TYPE_CHECKING:
    from app.services.opened_model import OpenedModel
    from app.widgets.explain.evidence import EvidenceLine

_ABOUT_A_PROTOTYPE = (Verdict.WRONG_PROTOTYPE, Verdict.WRONG_REGION)


def reading_of(model: OpenedModel, reader_id: str, lesion_id: str, word: str, probability: object) -> CaseReading:
    """The reader's own call before this model was shown. ``probability``: of malignancy, in [0, 1]; None where
    none was given."""
    return CaseReading(
        lesion_id=lesion_id,
        reader_id=reader_id,
        run_id=model.run.id,
        revision_id=model.revision.id,
        label="margin" if model.opened.model.card.label == "margin" else "shape",
        word=word,
        probability_of_malignancy=probability if isinstance(probability, float) else None,
        created_utc=now_utc(),
    )


def opinion_of(
    model: OpenedModel, lesion_id: str, verdict: Verdict, comment: str, line: EvidenceLine | None
) -> Opinion:
    """A verdict on this model's explanation; ``line``: the prototype that is looked at."""
    about = line is not None and verdict in _ABOUT_A_PROTOTYPE
    return Opinion(
        lesion_id=lesion_id,
        run_id=model.run.id,
        verdict=verdict,
        prototype=line.shown.row.number if about and line is not None else None,
        comment=comment,
        revision_id=model.revision.id,
    )
