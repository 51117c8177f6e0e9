"""The history of one prototype of a run since it was learned: from the revisions and the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from core.domain.study import ModelRevision, Run
from core.store.study import Study
from core.tasks.readers.opinions import PROTOTYPE, PrototypeMark
from core.tasks.runs.steering import STEERED, SteeringRecord


class PrototypeEvent(StrEnum):
    LEARNED = "learned"
    PRUNED = "pruned"
    BROUGHT_BACK = "brought back"
    MARKED = "marked"
    PLACED = "placed"


@dataclass(frozen=True, kw_only=True)
class Happening:
    turn: PrototypeEvent
    at_utc: str
    who: str = ""
    words: str = ""
    """The reason of the revision that left it out or of the place, or the mark (``opinions.Mark``)."""


class _Flip(msgspec.Struct, frozen=True):
    revision: str


def history_of(study: Study, run: Run, index: int) -> tuple[Happening, ...]:
    """In order, of the prototype with this index (from 0) in the unpruned model.

    It was pruned when a revision without it came into use after one with it, and brought back when it was the
    other way round: an undo, or an older revision that was taken again.
    """
    revisions = {one.id: one for one in study.models.of_run(run.id)}
    found = []
    for record in study.audit.of("model.activate", f"run {run.id}"):
        old, new = (_revision(said, revisions) for said in (record.old, record.new))
        if new is None:
            continue
        here, before = index in new.prototype_indices, old is None or index in old.prototype_indices
        turn = (
            PrototypeEvent.LEARNED
            if old is None
            else PrototypeEvent.PRUNED
            if before
            else PrototypeEvent.BROUGHT_BACK
        )
        if old is None or here != before:
            words = new.reason if turn is PrototypeEvent.PRUNED else ""
            happening = Happening(turn=turn, at_utc=record.at_utc, who=record.who, words=words)
            found.append((record.counter, happening))
    for record in study.audit.of(PROTOTYPE, f"run {run.id} prototype {index + 1}"):
        mark = msgspec.json.decode(record.new or "{}", type=PrototypeMark).mark
        happening = Happening(turn=PrototypeEvent.MARKED, at_utc=record.at_utc, who=record.who, words=mark.value)
        found.append((record.counter, happening))
    for record in study.audit.all_of(STEERED):
        if record.new is None or not record.subject.endswith(f" run {run.id} prototype {index + 1}"):
            continue
        reason = msgspec.json.decode(record.new, type=SteeringRecord).reason
        happening = Happening(turn=PrototypeEvent.PLACED, at_utc=record.at_utc, who=record.who, words=reason)
        found.append((record.counter, happening))
    return tuple(happening for _, happening in sorted(found, key=lambda one: one[0]))


def _revision(said: str | None, revisions: dict[str, ModelRevision]) -> ModelRevision | None:
    return None if said is None else revisions.get(msgspec.json.decode(said, type=_Flip).revision)
