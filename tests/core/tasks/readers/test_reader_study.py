"""A reader study is read in its order, written once, exported, and evaluated by hand-computed figures."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from core.cli.main import run_command_line
from core.domain.errors import StudyError
from core.domain.reading import Condition, ReaderStudy, StudyReading
from core.domain.study import Reader
from core.domain.vocabulary import MarginType
from core.store.study import Study
from core.tasks.readers.reader_study import (
    export_readings,
    find_reader_study,
    make_reader_study,
    next_step,
    paired,
)
from core.tasks.review.reader_study_figures import ALONE, MODEL, TOGETHER, evaluate_reader_study, figures_text
from core.tasks.runs.lifecycle import find_run, request_of

Truth = dict[str, tuple[str | None, int]]


def make(study: Study, **more: object) -> ReaderStudy:
    run = find_run(study, "tiny")
    return make_reader_study(study, run, request_of(study, run).parts, name="pilot", seed=7, **more)  # type: ignore[arg-type]


def say(study: Study, made: ReaderStudy, reader: Reader, margin: str, probability: float) -> str:
    """One more reading; its lesion."""
    step = next_step(study, made, reader.id)
    assert step is not None
    study.reader_studies.read(
        StudyReading(
            reader_study_id=made.id,
            lesion_id=step.lesion_id,
            reader_id=reader.id,
            condition=step.condition,
            margin=MarginType(margin),
            probability_of_malignancy=probability,
            trust=4 if step.condition is Condition.WITH_MODEL else None,
            seconds=10.0 if step.condition is Condition.ALONE else 4.0,
            created_utc="2026-01-01T00:00:00+00:00",
        )
    )
    return step.lesion_id


def truth_of(study: Study, made: ReaderStudy) -> Truth:
    found: Truth = {}
    for lesion in made.lesion_ids:
        labels = study.lesions.get(lesion).labels
        outcome = {"malignant": 1, "benign": 0}.get(labels.pathology.value if labels.pathology else "", -1)
        found[lesion] = (None if labels.margin is None else labels.margin.value, outcome)
    return found


def test_the_order_is_drawn_from_seed_and_reader_and_each_lesion_comes_alone_first(own_study: Path) -> None:
    with Study.open(own_study) as study:
        made = make(study)
        assert len(made.lesion_ids) == 12
        assert made.order_for("a") == made.order_for("a")
        assert sorted(made.order_for("a")) == sorted(made.order_for("b")) == sorted(made.lesion_ids)
        assert made.order_for("a") != made.order_for("b")
        reader = study.readers.ensure("Dr A")
        first = say(study, made, reader, "spiculated", 0.5)
        assert first == made.order_for(reader.id)[0]
        step = next_step(study, made, reader.id)
        assert step is not None
        assert (step.lesion_id, step.condition, step.done) == (first, Condition.WITH_MODEL, 0)
        say(study, made, reader, "spiculated", 0.6)
        step = next_step(study, made, reader.id)
        assert step is not None
        assert (step.lesion_id, step.condition, step.done) == (made.order_for(reader.id)[1], Condition.ALONE, 1)
        assert study.audit.verify().good


def test_what_was_said_stays_and_the_model_never_comes_first(own_study: Path) -> None:
    with Study.open(own_study) as study:
        made = make(study, most=3)
        assert len(made.lesion_ids) == 3
        reader = study.readers.ensure("Dr A")
        lesion = say(study, made, reader, "indistinct", 0.2)
        again = study.reader_studies.readings(made.id)[0]
        with pytest.raises(StudyError, match="read already"):
            study.reader_studies.read(again)
        other = next(one for one in made.lesion_ids if one != lesion)
        early = StudyReading(
            reader_study_id=made.id, lesion_id=other, reader_id=reader.id, condition=Condition.WITH_MODEL,
            margin=MarginType.INDISTINCT, probability_of_malignancy=0.1, trust=3, seconds=1, created_utc="",
        )  # fmt: skip
        with pytest.raises(StudyError, match="alone before"):
            study.reader_studies.read(early)
        with pytest.raises(StudyError, match="named pilot already"):
            make(study)
        with pytest.raises(StudyError, match="its reader studies are: pilot"):
            find_reader_study(study, "other")


def test_a_reader_who_learns_from_the_model_is_told_from_one_who_does_not(own_study: Path) -> None:
    """Alone always wrong and undecided, with the model always right: AUROC 0.5 against 1, accuracy 0 against 1."""
    with Study.open(own_study) as study:
        made = make(study)
        truth = truth_of(study, made)
        reader = study.readers.ensure("Dr A")
        while (step := next_step(study, made, reader.id)) is not None:
            label, outcome = truth[step.lesion_id]
            wrong = "spiculated" if label != "spiculated" else "indistinct"
            alone = step.condition is Condition.ALONE
            say(study, made, reader, wrong if alone else str(label), 0.5 if alone else 0.1 + 0.8 * max(outcome, 0))
        study.readers.ensure("Dr B")
        found = evaluate_reader_study(study, made)
        [one] = found.readers
        assert found.unfinished == ()
        known = [outcome for _, outcome in truth.values() if outcome >= 0]
        assert (one.lesions, one.biopsied) == (12, len(known))
        ways = {way.name: way for way in one.ways}
        assert ways[ALONE].margin_accuracy.value == 0.0
        assert ways[TOGETHER].margin_accuracy.value == 1.0
        if len(set(known)) == 2:
            assert ways[ALONE].malignancy_auroc.value == 0.5
            assert ways[TOGETHER].malignancy_auroc.value == 1.0
            first = one.against[0]
            assert (first.first, first.second) == (TOGETHER, ALONE)
            assert first.malignancy_auroc.difference.value == pytest.approx(0.5)
            assert first.adjusted_p is None or first.malignancy_auroc.p_value is not None
        assert (one.changed, one.changed_to_label, one.mean_trust) == (12, 12, 4.0)
        assert one.median_seconds == (10.0, 4.0)
        assert MODEL in figures_text(found)
        assert np.isfinite(ways[MODEL].margin_accuracy.value or 0.0)
        pairs = paired(study.reader_studies.readings(made.id), reader.id)
        assert all(a.lesion_id == b.lesion_id for a, b in pairs)


def test_made_exported_and_evaluated_on_the_command_line(
    own_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["reader-study", "make", str(own_study), "--run", "tiny", "--name", "pilot", "--most", "2"]
    assert run_command_line(arguments) == 0
    with Study.open(own_study) as study:
        made = find_reader_study(study, "pilot")
        reader = study.readers.ensure("=Dr A")
        for _ in range(4):
            say(study, made, reader, "spiculated", 0.25)
        assert next_step(study, made, reader.id) is None
        rows = list(csv.DictReader(io.StringIO(export_readings(study, made).decode())))
        assert len(rows) == 4
        assert {row["condition"] for row in rows} == {"alone", "with the model"}
        assert rows[0]["reader"] == "'=Dr A", "a spreadsheet runs nothing"
        assert rows[0]["probability_of_malignancy"] == "0.25"
    capsys.readouterr()
    out = tmp_path / "pilot.csv"
    command = ["reader-study", "export", str(own_study), "--name", "pilot", "--out", str(out), "--json"]
    assert run_command_line(command) == 0
    assert json.loads(capsys.readouterr().out)["readings"] == 4
    assert out.read_bytes().count(b"\r\n") == 5
    assert run_command_line(["reader-study", "evaluate", str(own_study), "--name", "pilot", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["readers"][0]["lesions"] == 2


def test_a_forgotten_patient_leaves_the_reader_study(own_study: Path) -> None:
    with Study.open(own_study) as study:
        made = make(study)
        reader = study.readers.ensure("Dr A")
        lesion = say(study, made, reader, "spiculated", 0.5)
        patient = study.images.get(study.lesions.get(lesion).image_id).patient_id
        study.forget_patient(patient)
        [left] = study.reader_studies.all()
        assert lesion not in left.lesion_ids
        assert study.reader_studies.readings(made.id) == ()
        assert study.audit.verify().good
        assert all(lesion not in (record.new or "") for record in study.audit.records())


def test_another_revision_than_the_one_shown_is_refused(own_study: Path) -> None:
    from core.tasks.review.prototypes import Pruning

    with Study.open(own_study) as study:
        made = make(study)
        pruning = Pruning(study, find_run(study, "tiny"))
        pruning.commit(pruning.outcome({0}), reason="test")
        with pytest.raises(StudyError, match="shows the revision “As trained”"):
            evaluate_reader_study(study, made)
