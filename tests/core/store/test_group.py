"""Assignments, first labels, blinding and consensus in the store, on both kinds of database."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import StudyError
from core.domain.group import Assignment, How, Purpose, differing, merged
from core.domain.study import Labels, Reader
from core.domain.vocabulary import MarginType, MassShape, Pathology
from core.store.archive import write_archive
from core.store.check import check_study
from core.store.restore import restore_archive
from core.store.study import Study
from core.store.worklist import WorklistFilter, WorklistQuery
from tests.core.store.helpers import add_case, drawing


def give(study: Study, lesion: str, *readers: Reader, judge: Reader | None = None) -> None:
    study.assignments.add_many(
        Assignment(
            lesion_id=lesion,
            reader_id=reader.id,
            purpose=Purpose.ADJUDICATE if reader is judge else Purpose.LABEL,
            created_utc="2026-01-01",
        )
        for reader in (*readers, *([] if judge is None else [judge]))
    )


def say(study: Study, lesion: str, reader: Reader, margin: MarginType, *, finish: bool = True) -> None:
    study.lesions.set_labels(lesion, Labels(margin=margin), reader_id=reader.id)
    if finish:
        study.assignments.finish(lesion, reader.id)


@pytest.fixture
def people(study: Study) -> tuple[Reader, Reader, Reader]:
    for number in range(1, 5):
        add_case(study, number)
    a, b, c = (study.readers.ensure(f"Dr {letter}") for letter in "ABC")
    return a, b, c


def queue(study: Study, reader: Reader) -> list[str]:
    keys = study.worklist.keys(WorklistQuery(reader_id=reader.id, only=WorklistFilter.QUEUE))
    rows = study.worklist.rows(keys[:], reader_id=reader.id)
    return [row.lesion_id or "" for row in rows if row is not None]


def test_a_double_reading_is_blinded_until_the_own_labels_are_finished(
    study: Study, people: tuple[Reader, Reader, Reader]
) -> None:
    a, b, c = people
    give(study, "l1", a, b, judge=c)
    for reader in people:
        assert not study.assignments.may_see_others("l1", reader.id)
        assert study.assignments.may_see_others("l2", reader.id)
    with pytest.raises(StudyError, match="Name the margin"):
        study.assignments.finish("l1", a.id)
    study.annotations.commit("l1", a.id, drawing(1))
    say(study, "l1", a, MarginType.SPICULATED)
    assert study.assignments.may_see_others("l1", a.id)
    assert not study.assignments.may_see_others("l1", b.id)
    assert not study.assignments.may_see_others("l1", c.id), "an adjudicator waits for all of them"
    say(study, "l1", b, MarginType.OBSCURED)
    assert study.assignments.may_see_others("l1", c.id)


def test_first_labels_stay_when_labels_are_corrected_later(
    study: Study, people: tuple[Reader, Reader, Reader]
) -> None:
    a, b, _ = people
    give(study, "l1", a, b)
    study.annotations.commit("l1", a.id, drawing(1))
    say(study, "l1", a, MarginType.SPICULATED)
    study.lesions.set_labels("l1", Labels(margin=MarginType.INDISTINCT), reader_id=a.id)
    study.annotations.commit("l1", a.id, drawing(2))
    first = study.assignments.find("l1", a.id)
    assert first is not None and first.labels == Labels(margin=MarginType.SPICULATED) and first.revision == 1
    for change in (
        lambda: study.assignments.finish("l1", a.id),
        lambda: study.assignments.remove("l1", a.id),
        lambda: study.assignments.finish("l2", a.id),
        lambda: give(study, "l1", a),
    ):
        with pytest.raises(StudyError):
            change()


def test_finishing_is_undone_only_while_no_other_reader_has_begun(
    study: Study, people: tuple[Reader, Reader, Reader]
) -> None:
    a, b, _ = people
    give(study, "l1", a, b)
    say(study, "l1", a, MarginType.SPICULATED)
    assert study.assignments.reopen("l1", a.id).open
    study.assignments.finish("l1", a.id)
    study.annotations.commit("l1", b.id, drawing(3))
    with pytest.raises(StudyError, match="may have been seen"):
        study.assignments.reopen("l1", a.id)


def test_the_queue_holds_what_waits_for_the_reader_and_nothing_else(
    study: Study, people: tuple[Reader, Reader, Reader]
) -> None:
    a, b, c = people
    for lesion in ("l1", "l2", "l4"):
        give(study, lesion, a, b, judge=c)
    assert (queue(study, a), queue(study, b), queue(study, c)) == (["l1", "l2", "l4"], ["l1", "l2", "l4"], [])
    for lesion in ("l1", "l2"):
        say(study, lesion, a, MarginType.SPICULATED)
    say(study, "l1", b, MarginType.SPICULATED)
    say(study, "l2", b, MarginType.OBSCURED)
    assert (queue(study, a), queue(study, b), queue(study, c)) == (["l4"], ["l4"], ["l2"])
    study.consensus.adjudicate("l2", c.id, Labels(margin=MarginType.OBSCURED))
    assert queue(study, c) == []
    study.consensus.withdraw("l2")
    assert queue(study, c) == ["l2"]


def test_agreeing_labels_make_a_consensus_by_the_rule_with_its_sources(
    study: Study, people: tuple[Reader, Reader, Reader]
) -> None:
    a, b, _ = people
    give(study, "l1", a, b)
    study.annotations.commit("l1", b.id, drawing(7))
    say(study, "l1", a, MarginType.SPICULATED)
    with pytest.raises(StudyError, match="two readers who finished"):
        study.consensus.agree("l1")
    say(study, "l1", b, MarginType.SPICULATED)
    study.annotations.commit("l1", b.id, drawing(8))
    made = study.consensus.agree("l1")
    assert (made.how, made.reader_id, made.who) == (How.AGREED, None, "Tester")
    assert (made.drawn_by, made.drawn_revision) == (b.id, 1), "the drawing as it was when it was finished"
    assert [(one.reader_id, one.revision) for one in made.sources] == [(a.id, 0), (b.id, 1)]
    assert study.consensus.all() == {"l1": made}
    with pytest.raises(StudyError, match="already"):
        study.consensus.agree("l1")


def test_only_an_assigned_further_reader_adjudicates_and_revisions_are_kept(
    study: Study, people: tuple[Reader, Reader, Reader]
) -> None:
    a, b, c = people
    give(study, "l1", a, b, judge=c)
    study.annotations.commit("l1", a.id, drawing(1))
    say(study, "l1", a, MarginType.SPICULATED)
    wanted = Labels(margin=MarginType.INDISTINCT)
    with pytest.raises(StudyError, match="who finished"):
        study.consensus.adjudicate("l1", c.id, wanted)
    say(study, "l1", b, MarginType.OBSCURED)
    with pytest.raises(StudyError, match="differ"):
        study.consensus.agree("l1")
    for reader, labels, drawn_by in ((a, wanted, None), (c, Labels(), None), (c, wanted, b.id), (c, wanted, c.id)):
        with pytest.raises(StudyError):
            study.consensus.adjudicate("l1", reader.id, labels, drawn_by=drawn_by)
    first = study.consensus.adjudicate("l1", c.id, wanted, drawn_by=a.id)
    study.annotations.commit("l1", c.id, drawing(5))
    second = study.consensus.adjudicate("l1", c.id, wanted, drawn_by=c.id)
    gone = study.consensus.withdraw("l1")
    assert [one.revision for one in (first, second, gone)] == [1, 2, 3]
    assert (first.drawn_by, second.drawn_by, second.reader_id) == (a.id, c.id, c.id)
    assert study.consensus.of("l1") is None and study.consensus.all() == {}
    assert study.consensus.history("l1") == (first, second, gone)


def test_removal_putting_back_backup_and_forgetting_take_the_group_along(
    study: Study, people: tuple[Reader, Reader, Reader], tmp_path: Path
) -> None:
    a, b, c = people
    for lesion in ("l1", "l2"):
        give(study, lesion, a, b, judge=c)
        say(study, lesion, a, MarginType.SPICULATED)
        say(study, lesion, b, MarginType.OBSCURED)
        study.consensus.adjudicate(lesion, c.id, Labels(margin=MarginType.OBSCURED))
    before = (study.assignments.of_lesion("l1"), study.consensus.history("l1"))
    study.lesions.remove("l1")
    assert study.assignments.of_lesion("l1") == () and list(study.consensus.all()) == ["l2"]
    assert check_study(study).problems == ()
    study.lesions.put_back("l1")
    assert (study.assignments.of_lesion("l1"), study.consensus.history("l1")) == before
    write_archive(study, tmp_path / "b.zip")
    restore_archive(tmp_path / "b.zip", tmp_path / "restored")
    with Study.open(tmp_path / "restored") as again:
        assert again.consensus.all() == study.consensus.all()
        assert check_study(again).problems == ()
    study.forget_patient("p2")
    assert list(study.consensus.all()) == ["l1"]
    assert not any(
        "OBSCURED".lower() in (record.new or "") for record in study.audit.records() if " l2" in record.subject
    )
    assert check_study(study).problems == ()


def test_labels_differ_only_where_two_named_them_and_merge_to_what_is_shared() -> None:
    one = Labels(margin=MarginType.OBSCURED, shape=MassShape.OVAL, probability_of_malignancy=0.2)
    other = Labels(margin=MarginType.OBSCURED, pathology=Pathology.BENIGN, probability_of_malignancy=0.4)
    third = Labels(margin=MarginType.OBSCURED, shape=MassShape.ROUND, pathology=Pathology.MALIGNANT)
    assert differing([one, other]) == () and differing([one, other, third]) == ("shape",)
    found = merged([one, other])
    assert (found.margin, found.shape, found.pathology) == ("obscured", "oval", "benign")
    assert found.probability_of_malignancy == pytest.approx(0.3)
    assert merged([one, other, third]).pathology is None
