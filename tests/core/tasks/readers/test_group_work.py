"""Assignments by rule, and how the work of a group stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.errors import StudyError
from core.domain.group import Purpose
from core.domain.study import Labels, Lesion
from core.domain.vocabulary import MarginType
from core.store.study import Study
from core.tasks.readers.assigning import plan_assignments
from core.tasks.readers.group_work import group_state
from core.tasks.readers.voices import voices_of
from core.tasks.studies.queries import StudyQueries
from tests.core.store.helpers import add_case, drawing


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """Twelve lesions of six patients, two each."""
    with Study.create(tmp_path / "study", name="test") as made:
        for number in range(1, 13):
            owner = None if number % 2 else f"p{number - 1}"
            add_case(made, number, patient=owner, pixels=False)
        yield made


def patient(study: Study, lesion_id: str) -> str:
    lesion: Lesion = study.lesions.get(lesion_id)
    return study.lesions.finding(lesion.finding_id).patient_id


@pytest.mark.parametrize(("people", "each"), [(1, 1), (2, 2), (3, 1), (3, 2), (4, 3)])
def test_each_lesion_has_so_many_readers_patients_stay_whole_and_loads_are_even(
    study: Study, people: int, each: int
) -> None:
    readers = [study.readers.ensure(f"Dr {number}") for number in range(people)]
    made = plan_assignments(study, readers, each=each, seed=3)
    of = {
        lesion.id: {one.reader_id for one in made if one.lesion_id == lesion.id} for lesion in study.lesions.all()
    }
    assert {len(found) for found in of.values()} == {each}
    for lesion in of:
        assert all(of[lesion] == of[other] for other in of if patient(study, other) == patient(study, lesion))
    load = Counter(one.reader_id for one in made)
    assert max(load.values()) - min(load.values()) <= 2, "at most a patient's lesions apart"
    study.assignments.add_many(made)
    assert plan_assignments(study, readers, each=each, seed=4) == (), "what is assigned counts"


def test_the_same_seed_gives_the_same_plan_and_the_adjudicator_gets_double_readings_only(study: Study) -> None:
    a, b, c = (study.readers.ensure(f"Dr {letter}") for letter in "ABC")

    def plan(**options: object) -> set[tuple[str, str, str]]:
        made = plan_assignments(study, [a, b], **options)  # type: ignore[arg-type]
        return {(one.lesion_id, one.reader_id, one.purpose) for one in made}

    assert plan(seed=1) == plan(seed=1) and plan(seed=1) != plan(seed=5)
    assert not any(purpose is Purpose.ADJUDICATE for _, _, purpose in plan(adjudicator=c))
    judged = {lesion for lesion, reader, purpose in plan(each=2, adjudicator=c) if reader == c.id}
    assert judged == {lesion.id for lesion in study.lesions.all()}
    assert {lesion for lesion, _, _ in plan(lesion_ids=["l3", "l4"])} == {"l3", "l4"}
    for wrong in ({"each": 3}, {"each": 2, "adjudicator": a}, {"lesion_ids": ["nothing"]}):
        with pytest.raises(StudyError):
            plan(**wrong)


def test_progress_agreement_and_disputes_follow_the_first_labels(study: Study) -> None:
    a, b, c = (study.readers.ensure(f"Dr {letter}") for letter in "ABC")
    study.assignments.add_many(plan_assignments(study, [a, b], each=2, adjudicator=c))
    lesions = [lesion.id for lesion in study.lesions.all()]
    words = (MarginType.SPICULATED, MarginType.OBSCURED)
    for place, lesion in enumerate(lesions[:10]):
        for reader in (a, b):
            word = words[(place + (reader is b and place == 4)) % 2]
            study.lesions.set_labels(lesion, Labels(margin=word), reader_id=reader.id)
            study.assignments.finish(lesion, reader.id)
    state = group_state(study)
    done = {one.reader: (one.assigned, one.finished, one.to_adjudicate) for one in state.progress}
    assert done == {"Dr A": (12, 10, 0), "Dr B": (12, 10, 0), "Dr C": (0, 0, 1)}
    [pair] = state.agreement
    assert (pair.label, pair.lesions, pair.same) == ("margin", 10, 9)
    # 9 of 10 alike; A names each word 5 times, B 4 and 6: expected 0.5
    assert pair.kappa.value == pytest.approx((0.9 - 0.5) / 0.5) and pair.kappa.clusters == 5
    assert [size for size, _ in pair.course][-1] == 10 and pair.course[-1][1] == pair.kappa
    assert pair.course[0][1].value == pytest.approx(1.0) or pair.course[0][0] > 4
    [dispute] = state.disputes
    assert (dispute.lesion_id, dispute.differ, dispute.adjudicators) == (lesions[4], ("margin",), ("Dr C",))
    assert set(state.agreed) == set(lesions[:10]) - {lesions[4]}
    study.lesions.set_labels(lesions[4], Labels(margin=words[0]), reader_id=b.id)
    assert group_state(study).agreement == state.agreement, "a later correction changes no first labels"


def test_the_screens_hide_what_others_said_and_drew_while_the_reader_is_blinded(study: Study) -> None:
    a, b = (study.readers.ensure(f"Dr {letter}") for letter in "AB")
    study.assignments.add_many(plan_assignments(study, [a, b], each=2))
    study.lesions.set_labels("l1", Labels(margin=MarginType.OBSCURED), reader_id=b.id)
    study.annotations.commit("l1", b.id, drawing(1))
    study.lesions.set_labels("l1", Labels(margin=MarginType.SPICULATED), reader_id=a.id)
    study.annotations.commit("l1", a.id, drawing(2))
    reads = StudyQueries(study, a.id)

    def seen() -> tuple[set[str], set[str], bool]:
        voices = {voice.who for voice in voices_of(study, "l1", "margin", reader_id=a.id)}
        return voices, set(reads.others("l1")), reads.own_is_finished("l1")

    assert seen() == ({"", "Dr A"}, set(), False)
    study.assignments.finish("l1", a.id)
    assert seen() == ({"", "Dr A", "Dr B"}, {"Dr B"}, True)
