"""Readers' verdicts on explanations, and their marks of prototypes."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from core.domain.opinion import GivenOpinion
from core.domain.study import Run
from core.store.study import Study

PROTOTYPE = "prototype.mark"


class Mark(StrEnum):
    """A reader's mark of a prototype."""

    KEEP = "keep"
    NOT_RELEVANT = "not medically relevant"
    NONE = "no mark"


class PrototypeMark(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    index: int
    """In the unpruned model, from 0."""
    mark: Mark


def opinions_of(study: Study, run: Run) -> dict[str, tuple[GivenOpinion, ...]]:
    """The opinions on a run's explanations that stand, by lesion, in the order they were given."""
    opinions: dict[str, list[GivenOpinion]] = {}
    for given in study.reviews.opinions(run.id):
        opinions.setdefault(given.opinion.lesion_id, []).append(given)
    return {lesion: tuple(given) for lesion, given in opinions.items()}


def mark_prototype(study: Study, run: Run, index: int, mark: Mark) -> None:
    """Keep a mark in the audit trail; the newest one of a prototype counts."""
    study.audit.record(
        PROTOTYPE, f"run {run.id} prototype {index + 1}", new=PrototypeMark(run_id=run.id, index=index, mark=mark)
    )


def marks_of(study: Study, run: Run) -> dict[int, Mark]:
    """The last mark of each prototype that has one, by its index in the unpruned model."""
    found: dict[int, Mark] = {}
    for record in study.audit.all_of(PROTOTYPE):
        said = msgspec.json.decode(record.new or "{}", type=PrototypeMark)
        if said.run_id == run.id:
            found[said.index] = said.mark
    return {index: mark for index, mark in found.items() if mark is not Mark.NONE}


def kept_by_mark(study: Study, run: Run) -> frozenset[int]:
    """Prototypes, by their index in the unpruned model, that somebody wants kept."""
    return frozenset(index for index, mark in marks_of(study, run).items() if mark is Mark.KEEP)
