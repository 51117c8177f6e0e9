"""Whose label of a lesion counts, by every source and every rule for readers who differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.data.labels import Opinions
from core.domain.group import Assignment, Purpose
from core.domain.label_rule import Disagreement, LabelRule, LabelSource
from core.domain.opinion import CaseReading
from core.domain.study import Labels, Lesion, Run
from core.domain.vocabulary import MarginType
from core.store.study import Study
from core.tasks.readers.voices import Voice, case_facts, own_calls, voices_of
from tests.core.store.helpers import add_case, drawing

NAMES = ("Dr A", "Dr B", "Dr C")


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """The data set calls every lesion spiculated, but for the fourth, which it does not name."""
    with Study.create(tmp_path / "study", name="test") as made:
        made.runs.add(Run(id="r", name="run", created_utc="2026-01-01", config={}))
        for name in NAMES:
            made.readers.ensure(name)
        for number in (1, 2, 3, 4):
            add_case(made, number, pixels=False)
        made.lesions.set_labels("l4", Labels())
        say(made, "l1", "obscured", "obscured", "indistinct")
        say(made, "l2", "obscured", "indistinct", None)
        say(made, "l4", None, "indistinct", None)
        yield made


def say(study: Study, lesion: str, *words: str | None) -> None:
    for name, word in zip(NAMES, words, strict=True):
        reader = study.readers.find(name)
        if word is not None and reader is not None:
            study.lesions.set_labels(lesion, Labels(margin=MarginType(word)), reader_id=reader.id)


def words(study: Study, source: LabelSource, disagreement: Disagreement, *readers: str) -> list[str | None]:
    rule = LabelRule(source=source, disagreement=disagreement, readers=readers)
    opinions = Opinions(study, label="margin", rule=rule)
    return [opinions.of(lesion).word for lesion in study.lesions.all()]


def lesion(study: Study, name: str) -> Lesion:
    return study.lesions.get(name)


@pytest.mark.parametrize(
    ("source", "disagreement", "expected"),
    [
        ("readers, else data set", "leave out", [None, None, "spiculated", "indistinct"]),
        ("readers, else data set", "majority", ["obscured", None, "spiculated", "indistinct"]),
        ("readers, else data set", "first reader", ["obscured", "obscured", "spiculated", "indistinct"]),
        ("data set, else readers", "leave out", ["spiculated", "spiculated", "spiculated", "indistinct"]),
        ("readers alone", "majority", ["obscured", None, None, "indistinct"]),
        ("data set alone", "leave out", ["spiculated", "spiculated", "spiculated", None]),
    ],
)
def test_the_rule_says_whose_label_counts(
    study: Study, source: LabelSource, disagreement: Disagreement, expected: list[str | None]
) -> None:
    assert words(study, source, disagreement) == expected


def decided(study: Study, name: str, *words: str, by: str = "") -> None:
    """The first two readers finish a lesion with these words; the third decides where ``by`` names the margin."""
    a, b, c = study.readers.all()
    for reader, word in zip((a, b), words, strict=True):
        study.assignments.add_many([given(name, reader.id, Purpose.LABEL)])
        study.lesions.set_labels(name, Labels(margin=MarginType(word)), reader_id=reader.id)
        study.annotations.commit(name, reader.id, drawing(1))
        study.assignments.finish(name, reader.id)
        study.annotations.commit(name, reader.id, drawing(2))
    if by:
        study.assignments.add_many([given(name, c.id, Purpose.ADJUDICATE)])
        study.consensus.adjudicate(name, c.id, Labels(margin=MarginType(by)), drawn_by=b.id)
    else:
        study.consensus.agree(name)


def given(lesion_id: str, reader_id: str, purpose: Purpose) -> Assignment:
    return Assignment(lesion_id=lesion_id, reader_id=reader_id, purpose=purpose, created_utc="2026-01-01")


def test_a_consensus_goes_before_the_majority_and_that_before_one_reader(study: Study) -> None:
    decided(study, "l2", "obscured", "indistinct", by="microlobulated")
    decided(study, "l3", "circumscribed", "circumscribed")
    say(study, "l1", "obscured", "obscured", "indistinct")
    assert words(study, "consensus, else readers", "majority") == [
        "obscured",
        "microlobulated",
        "circumscribed",
        "indistinct",
    ]
    assert words(study, "consensus alone", "leave out") == [None, "microlobulated", "circumscribed", None]
    assert words(study, "readers, else data set", "majority")[1] is None, "other sources leave a consensus aside"
    study.consensus.withdraw("l2")
    assert words(study, "consensus, else readers", "majority")[1] is None
    assert words(study, "consensus, else readers", "majority, else first reader")[1] == "obscured"


def test_a_consensus_comes_with_the_drawing_that_it_was_made_with(study: Study) -> None:
    decided(study, "l2", "obscured", "indistinct", by="microlobulated")
    decided(study, "l3", "circumscribed", "circumscribed")
    a, b, _ = study.readers.all()
    opinions = Opinions(study, label="margin", rule=LabelRule(source="consensus, else readers"))
    truth, agreed = opinions.of(lesion(study, "l2")), opinions.of(lesion(study, "l3"))
    assert (truth.said_by, agreed.said_by) == (("consensus (adjudicated)",), ("consensus (agreed)",))
    assert (truth.fine_reader, truth.fine_revision, truth.fine) == (b.id, 1, drawing(1))
    assert (agreed.fine_reader, agreed.fine_revision) == (a.id, 1)
    study.consensus.adjudicate("l2", study.readers.all()[2].id, Labels(margin=MarginType.OBSCURED))
    again = Opinions(study, label="margin", rule=LabelRule(source="consensus, else readers"))
    assert again.of(lesion(study, "l2")).fine == (), "it was decided that no drawing counts"


def test_one_reader_may_be_chosen_and_their_order_counts(study: Study) -> None:
    assert words(study, "readers alone", "leave out", "Dr C") == ["indistinct", None, None, None]
    assert words(study, "readers alone", "first reader", "Dr C", "Dr B") == [
        "indistinct",
        "indistinct",
        None,
        "indistinct",
    ]


def test_the_truth_names_whose_word_it_is_and_keeps_the_data_sets(study: Study) -> None:
    truth = Opinions(study, label="margin", rule=LabelRule(disagreement="majority")).of(lesion(study, "l1"))
    assert (truth.word, truth.said_by, truth.data_set) == ("obscured", ("Dr A", "Dr B"), "spiculated")
    own = Opinions(study, label="margin").of(lesion(study, "l3"))
    assert (own.word, own.said_by, own.data_set) == ("spiculated", (), "spiculated")


def test_a_reading_in_review_changes_no_label_that_counts(study: Study) -> None:
    before = [Opinions(study, label="margin").of(one) for one in study.lesions.all()]
    reader = study.readers.find("Dr A")
    assert reader is not None
    for name in ("l1", "l3"):
        study.reviews.add_reading(reading(reader.id, name))
    assert [Opinions(study, label="margin").of(one) for one in study.lesions.all()] == before


def reading(reader_id: str, name: str) -> CaseReading:
    return CaseReading(
        lesion_id=name,
        reader_id=reader_id,
        run_id="r",
        label="margin",
        word="circumscribed",
        probability_of_malignancy=0.3,
        created_utc="2026-01-02",
    )


def test_the_voices_stand_side_by_side_and_a_reading_before_the_readers_label(study: Study) -> None:
    reader = study.readers.find("Dr A")
    assert reader is not None
    study.reviews.add_reading(reading(reader.id, "l1"))
    voices = voices_of(study, "l1", "margin")
    assert voices == (
        Voice(who="", word="spiculated"),
        Voice(who="Dr A", word="circumscribed", probability=0.3, is_reading=True),
        Voice(who="Dr B", word="obscured"),
        Voice(who="Dr C", word="indistinct"),
    )
    facts = case_facts(study, study.runs.get("r"), "l1", "margin")
    assert facts.model == "run"
    assert facts.voices[:2] == (("", "spiculated", None), ("Dr A", "circumscribed", 0.3))
    calls = own_calls(study, reader.id, "margin")
    assert {name: call.word for name, call in calls.items()} == {"l1": "circumscribed", "l2": "obscured"}
    assert voices_of(study, "l1", "shape") == ()


def test_the_rule_is_part_of_a_configuration_and_older_ones_keep_todays() -> None:
    from core.training.config import TrainingConfig

    config = TrainingConfig(labels=LabelRule(source="data set alone"))
    assert msgspec.json.decode(msgspec.json.encode(config), type=TrainingConfig) == config
    older = msgspec.to_builtins(TrainingConfig())
    del older["labels"]
    assert msgspec.convert(older, TrainingConfig).labels == LabelRule()
