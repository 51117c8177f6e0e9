"""What readers say of explanations and prototypes: kept in the audit trail, where nothing is ever taken back."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from core.domain.errors import StudyError
from core.domain.study import Run
from core.store.study import Study

CASE, PROTOTYPE = "review.opinion", "prototype.mark"


class Verdict(StrEnum):
    """Of the explanation of one lesion."""

    AGREE = "agree"
    DISAGREE = "disagree"
    WRONG_REGION = "wrong region"
    WRONG_PROTOTYPE = "wrong prototype"
    COMMENT = "comment"


class Mark(StrEnum):
    """Of a prototype."""

    KEEP = "keep"
    NOT_RELEVANT = "not medically relevant"
    NONE = "no mark"


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    lesion_id: str
    run_id: str
    verdict: Verdict
    prototype: int | None = None
    """Number, from 1 in the unpruned model, where the verdict is about one."""
    comment: str = ""
    revision_id: str = ""
    """Of the model whose explanation was seen."""


class GivenOpinion(msgspec.Struct, frozen=True, kw_only=True):
    opinion: Opinion
    who: str
    at_utc: str


class PrototypeMark(msgspec.Struct, frozen=True, kw_only=True):
    run_id: str
    index: int
    """In the unpruned model, from 0."""
    mark: Mark


def give_opinion(study: Study, opinion: Opinion) -> None:
    """StudyError for a comment without words."""
    if opinion.verdict is Verdict.COMMENT and not opinion.comment.strip():
        raise StudyError("A comment needs words; type some.")
    study.audit.record(CASE, f"lesion {opinion.lesion_id} run {opinion.run_id}", new=opinion)


def opinions_of(study: Study, run: Run) -> dict[str, tuple[GivenOpinion, ...]]:
    """By lesion, in the order they were given."""
    found: dict[str, list[GivenOpinion]] = {}
    for record in study.audit.all_of(CASE):
        if record.new is None:  # of a patient who was forgotten
            continue
        opinion = msgspec.json.decode(record.new, type=Opinion)
        if opinion.run_id == run.id:
            given = GivenOpinion(opinion=opinion, who=record.who, at_utc=record.at_utc)
            found.setdefault(opinion.lesion_id, []).append(given)
    return {lesion: tuple(given) for lesion, given in found.items()}


def mark_prototype(study: Study, run: Run, index: int, mark: Mark) -> None:
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
