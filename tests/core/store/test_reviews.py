"""Readings and verdicts of Review: kept apart from labels, taken back without a trace lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.errors import StudyError
from core.domain.opinion import CaseReading, Opinion, Verdict
from core.domain.study import Run
from core.store.study import Study
from tests.core.store.helpers import add_case

RUN = Run(id="r", name="run", created_utc="2026-01-01", config={})


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with Study.create(tmp_path / "study", name="test") as made:
        made.runs.add(RUN)
        for number in (1, 2):
            add_case(made, number)
        for name in ("Dr A", "Dr B"):
            made.readers.ensure(name)
        made.actor = "Dr A"
        yield made


def reading(study: Study, word: str, *, lesion: str = "l1", name: str = "Dr A") -> CaseReading:
    reader = study.readers.find(name)
    assert reader is not None
    return CaseReading(
        lesion_id=lesion, reader_id=reader.id, run_id="r", label="margin", word=word, created_utc="2026-01-02"
    )


def opinion(verdict: Verdict, lesion: str = "l1", comment: str = "") -> Opinion:
    return Opinion(lesion_id=lesion, run_id="r", verdict=verdict, comment=comment)


def verdicts(study: Study) -> list[tuple[str, str, str]]:
    return [(one.opinion.lesion_id, one.opinion.verdict.value, one.who) for one in study.reviews.opinions("r")]


def test_a_reading_is_no_label(study: Study) -> None:
    before = study.lesions.all_labels("l1"), study.lesions.all_labels("l2")
    study.reviews.add_reading(reading(study, "obscured"))
    study.reviews.add_reading(reading(study, "indistinct", lesion="l2", name="Dr B"))
    assert (study.lesions.all_labels("l1"), study.lesions.all_labels("l2")) == before
    assert study.audit.verify().good


def test_the_newest_reading_counts_and_taking_it_back_brings_the_one_before(study: Study) -> None:
    a, b = (study.readers.find(name) for name in ("Dr A", "Dr B"))
    assert a is not None and b is not None
    study.reviews.add_reading(reading(study, "obscured"))
    study.reviews.add_reading(reading(study, "circumscribed", name="Dr B"))
    study.reviews.add_reading(reading(study, "indistinct"))
    words = {reader: one.word for reader, one in study.reviews.readings_of_lesion("l1").items()}
    assert words == {a.id: "indistinct", b.id: "circumscribed"}
    taken = study.reviews.withdraw_reading("l1", a.id)
    assert taken is not None and taken.word == "indistinct"
    assert study.reviews.readings_of_reader(a.id)["l1"].word == "obscured"
    study.reviews.withdraw_reading("l1", a.id)
    assert study.reviews.withdraw_reading("l1", a.id) is None
    assert set(study.reviews.readings_of_lesion("l1")) == {b.id}
    assert study.audit.verify().good


def test_a_verdict_takes_the_place_of_the_readers_earlier_one(study: Study) -> None:
    study.reviews.give(opinion(Verdict.AGREE))
    study.reviews.give(opinion(Verdict.COMMENT, comment="first look"))
    study.reviews.give(opinion(Verdict.DISAGREE, lesion="l2"))
    study.actor = "Dr B"
    study.reviews.give(opinion(Verdict.WRONG_REGION))
    study.actor = "Dr A"
    given = study.reviews.give(opinion(Verdict.WRONG_PROTOTYPE))
    assert verdicts(study) == [
        ("l1", "comment", "Dr A"),
        ("l2", "disagree", "Dr A"),
        ("l1", "wrong region", "Dr B"),
        ("l1", "wrong prototype", "Dr A"),
    ]
    study.reviews.withdraw(given.id)
    assert ("l1", "wrong prototype", "Dr A") not in verdicts(study)
    with pytest.raises(StudyError, match="no longer exists"):
        study.reviews.withdraw(given.id)
    assert study.audit.verify().good


def test_nobody_takes_back_the_verdict_of_another(study: Study) -> None:
    given = study.reviews.give(opinion(Verdict.AGREE))
    study.actor = "Dr B"
    with pytest.raises(StudyError, match="Dr A"):
        study.reviews.withdraw(given.id)
    assert verdicts(study) == [("l1", "agree", "Dr A")]


def test_a_comment_needs_words(study: Study) -> None:
    with pytest.raises(StudyError, match="words"):
        study.reviews.give(opinion(Verdict.COMMENT, comment="  "))
    assert verdicts(study) == []


def test_both_go_with_their_lesion_and_with_their_patient(study: Study) -> None:
    for lesion in ("l1", "l2"):
        study.reviews.add_reading(reading(study, "obscured", lesion=lesion))
        study.reviews.give(opinion(Verdict.AGREE, lesion=lesion))
    study.lesions.remove("l1")
    assert [lesion for lesion, _, _ in verdicts(study)] == ["l2"]
    study.forget_patient("p2")
    assert verdicts(study) == [] and study.reviews.readings_of_lesion("l2") == {}
    assert study.audit.verify().good
