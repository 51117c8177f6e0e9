"""Two readers label every lesion and differ, a third adjudicates, and a training takes the consensus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.model.checkpoint import load_model
from core.store.study import Study
from tests.trained_study import TINY

Run = Callable[..., Any]


def read_everything(folder: Path, name: str, *, wrong: int) -> None:
    """The reader names what the data set names, but obscured for the first ``wrong`` lesions, and finishes all but
    the last lesion."""
    with Study.open(folder, holder=name) as study, study.batch():
        reader, lesions = study.readers.ensure(name), study.lesions.all()
        for place, lesion in enumerate(lesions):
            margin = MarginType.OBSCURED if place < wrong else lesion.labels.margin
            study.lesions.set_labels(lesion.id, Labels(margin=margin), reader_id=reader.id)
            if lesion is not lesions[-1]:
                study.assignments.finish(lesion.id, reader.id)


@pytest.mark.slow  # its parts are tested in tests/core/tasks/readers
def test_two_readers_differ_a_third_adjudicates_and_training_uses_the_consensus(
    own_study: Path, marginalia: Run, refused: Run
) -> None:
    with Study.open(own_study) as study:
        truth = {lesion.id: lesion.labels.margin for lesion in study.lesions.all()}
    lesions, both = list(truth), ("--to", "Dr A", "--to", "Dr B", "--each", 2)
    assigned = marginalia("assign", "add", own_study, *both, "--adjudicator", "Dr C")["assigned"]
    assert assigned["Dr A"] == assigned["Dr B"] == {"label": 48, "adjudicate": 0}
    assert assigned["Dr C"] == {"label": 0, "adjudicate": 48}
    assert marginalia("assign", "add", own_study, *both)["assigned"] == {}, "every lesion has its readers"
    for name, wrong in (("Dr A", 3), ("Dr B", 0)):
        assert len(marginalia("assign", "queue", own_study, "--reader", name)["queue"]) == 48
        read_everything(own_study, name, wrong=wrong)
        marginalia("assign", "finish", own_study, lesions[-1], "--reader", name)
        assert marginalia("assign", "queue", own_study, "--reader", name)["queue"] == []
    state = marginalia("assign", "status", own_study)
    [pair] = [one for one in state["agreement"] if one["label"] == "margin"]
    assert (pair["lesions"], pair["same"]) == (48, 45)
    assert pair["kappa"]["low"] < pair["kappa"]["value"] < pair["kappa"]["high"]
    assert [one["lesion_id"] for one in state["disputes"]] == lesions[:3]
    assert marginalia("consensus", "agree", own_study)["agreed"] == lesions[3:]
    decide = ("consensus", "decide", own_study, lesions[0], "--margin", "obscured", "--reader")
    assert "not assigned to this reader to adjudicate" in refused(*decide, "Dr A")
    for lesion in lesions[:3]:
        call = ("consensus", "decide", own_study, lesion, "--reader", "Dr C", "--margin", truth[lesion])
        made = marginalia(*call)["consensus"]
        assert (made["how"], made["who"]) == ("adjudicated", "Dr C")
        assert [source["labels"]["margin"] for source in made["sources"]] == ["obscured", truth[lesion]]
    assert marginalia("consensus", "disputes", own_study, "--reader", "Dr C")["disputes"] == []
    assert len(marginalia("consensus", "list", own_study)["consensus"]) == 48
    marginalia("check", own_study)
    for source, lesions_trained in (
        ("consensus, else readers", 24),
        ("readers alone", 24 - trained(own_study, 3)),
    ):
        name = source.split()[0].strip(",")
        changes = (*TINY, f'labels.source="{source}"', 'labels.disagreement="majority"')
        marginalia("train", own_study, "--name", name, *(part for one in changes for part in ("--set", one)))
        with Study.open(own_study) as study:
            [run] = [run for run in study.runs.all() if run.name == name]
            card = load_model(study.run_folder(run.id) / "model").card
        assert card.notes["labels"] == f"{source}; where readers differ: majority"
        assert card.training_lesions == lesions_trained


def trained(folder: Path, first: int) -> int:
    """How many of the first lesions are of the training part."""
    with Study.open(folder) as study:
        patient_of = {finding.id: finding.patient_id for finding in study.lesions.findings()}
        [split] = study.splits.all()
        return sum(split.parts[patient_of[one.finding_id]] == "training" for one in study.lesions.all()[:first])
