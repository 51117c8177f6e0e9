"""What became of a prototype, told from the revisions and the audit trail."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.domain.opinion import Opinion, Verdict
from core.domain.study import ModelRevision, Run
from core.store.study import Study
from core.tasks.readers.opinions import Mark, mark_prototype, opinions_of
from core.tasks.review.prototype_history import PrototypeEvent, history_of
from tests.core.store.helpers import add_case

RUN = Run(id="r", name="first", created_utc="2026-01-01T00:00:00+00:00")
TRAINED = ModelRevision(
    id="a",
    run_id="r",
    parent_id=None,
    prototype_indices=(0, 1, 2),
    reason="As trained",
    created_utc=RUN.created_utc,
)


def test_pruning_undo_and_marks_are_told_in_order_of_the_prototypes_that_they_concern(tmp_path: Path) -> None:
    pruned = msgspec.structs.replace(TRAINED, id="b", parent_id="a", prototype_indices=(0, 2), reason="a vessel")
    with Study.create(tmp_path / "study", name="test") as study:
        study.runs.add(RUN)
        study.models.add(TRAINED)
        mark_prototype(study, RUN, 1, Mark.NOT_RELEVANT)
        study.models.add(pruned)
        study.models.activate("a")
        mark_prototype(study, RUN, 0, Mark.KEEP)
        told = [[(one.turn, one.words) for one in history_of(study, RUN, index)] for index in range(3)]
    assert told[1] == [
        (PrototypeEvent.LEARNED, ""),
        (PrototypeEvent.MARKED, "not medically relevant"),
        (PrototypeEvent.PRUNED, "a vessel"),
        (PrototypeEvent.BROUGHT_BACK, ""),
    ]
    assert told[0] == [(PrototypeEvent.LEARNED, ""), (PrototypeEvent.MARKED, "keep")]
    assert told[2] == [(PrototypeEvent.LEARNED, "")]


def test_opinions_of_a_forgotten_patient_are_gone_and_the_others_stay(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study", name="test") as study:
        study.runs.add(RUN)
        for number in (1, 2):
            add_case(study, number)
            study.reviews.give(Opinion(lesion_id=f"l{number}", run_id="r", verdict=Verdict.AGREE))
        assert set(opinions_of(study, RUN)) == {"l1", "l2"}
        study.forget_patient("p1")
        assert set(opinions_of(study, RUN)) == {"l2"}
