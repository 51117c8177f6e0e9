"""The experiment from the command line: trained, judged and written once, gone on with, refused."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import Cancelled, StudyError, TrainingError
from core.domain.events import Event, Message, Metrics, never, silent
from core.domain.vocabulary import Part
from core.experiment.job import carry_out_experiment
from core.experiment.phantom_study import MARKED, TRAINING, UNMARKED, confounded, make_confounded_study
from core.experiment.request import TableRequest
from core.store.study import Study
from core.tasks.runs.configure import configure
from tests.core.cli.conftest import TINY, Run

CHANGES = tuple(part for change in (*TINY, "epochs.joint=1") for part in ("--set", change))


@pytest.fixture(scope="module")
def confounded_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confounded") / "study"
    config = confounded(patients=30, test_patients=9, seed=3, height=480, width=440)
    return make_confounded_study(folder, config, emit=silent, cancelled=never)


def test_the_confounded_study_has_twin_test_sets_of_patients_apart(confounded_study: Path) -> None:
    with Study.open(confounded_study, writable=False) as study:
        source = {patient.id: patient.source for patient in study.patients.all()}
        split = study.splits.find("default")
    assert split is not None
    counts = [list(source.values()).count(name) for name in (TRAINING, MARKED, UNMARKED)]
    assert counts == [21, 9, 9]
    tested = {source[patient] for patient, part in split.parts.items() if part is Part.TEST}
    assert tested == {MARKED, UNMARKED}
    assert {source[patient] for patient, part in split.parts.items() if part is not Part.TEST} == {TRAINING}


@pytest.mark.slow
def test_table_one_is_made_then_gone_on_with(confounded_study: Path, tmp_path: Path, marginalia: Run) -> None:
    arguments = ["experiment", "table1", "--study", confounded_study, "--out", tmp_path, "--seeds", "1", *CHANGES]
    first = marginalia(*arguments)
    assert first["synthetic"] is True
    assert set(first["test_sets"]) == {"Marker drawn at random", "Marker absent"}
    models = [figures["model"] for figures in first["test_sets"]["Marker absent"]]
    assert models[:2] == ["IAIA-BL", "ProtoPNet"]
    assert any("GradCAM++" in model for model in models)
    page, text = Path(first["page"]).read_text(), Path(first["markdown"]).read_text()
    assert "SYNTHETIC" in page
    assert "SYNTHETIC" in text
    for words in (
        "Table 1",
        "Fig. 3",
        "Fig. 4",
        "Extended Data Fig. 5",
        "Fig. 2",
        "ŷ_mal",
        "κ",
        "Pruned",
        "Run time",
        "What this study can and cannot show",
        "prototype by prototype",
        "Distance moved",
        "Are the maps stable?",
        "gain over random",
        "Per finding",
        "calibration slope",
    ):
        assert words in page, words
        assert words in text, words
    assert "<strong>" in page
    assert "data:image/svg+xml" in page
    for line in text.splitlines():
        if line.startswith("!["):
            assert (tmp_path / line.split("(")[-1].rstrip(")")).is_file()
    assert list((tmp_path / "cases").glob("case-*.html"))
    assert not list(tmp_path.rglob("*state.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part.json")}
    assert len(before) == 7
    assert len(list(tmp_path.rglob("maps.json"))) == 4
    # the same request as a job: the child reads what is finished, and says the same
    events: list[Event] = []
    with Study.open(confounded_study) as study:
        again = carry_out_experiment(study, request_of(tmp_path), emit=events.append, cancelled=never)
    assert msgspec.json.decode(msgspec.json.encode(again.test_sets)) == first["test_sets"]
    assert not any(isinstance(event, Metrics) for event in events)
    assert any(isinstance(event, Message) and "writing the page" in event.text for event in events)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("part.json")} == before
    assert json.loads((tmp_path / "figures.json").read_bytes())["test_sets"] == first["test_sets"]


def request_of(out: Path) -> TableRequest:
    """That of the command with ``CHANGES`` and one seed."""
    config = configure("compact", label="margin", seed=1, changes=[c for c in CHANGES if c != "--set"])
    return TableRequest(out=out, config=config, seeds=1)


def test_a_cancelled_job_keeps_what_is_finished_and_leaves_no_lock(confounded_study: Path, tmp_path: Path) -> None:
    seen = threading.Event()

    def emit(event: Event) -> None:
        if isinstance(event, Metrics):
            seen.set()

    with Study.open(confounded_study) as study, pytest.raises(Cancelled):
        carry_out_experiment(study, request_of(tmp_path), emit=emit, cancelled=seen.is_set)
    assert list((tmp_path / "parts" / "iaia-bl-seed1").iterdir())
    assert not (tmp_path / "table1.html").exists()
    with Study.open(confounded_study):
        pass


def test_a_job_that_is_refused_says_so_in_one_sentence(confounded_study: Path, tmp_path: Path) -> None:
    with Study.open(confounded_study) as study, pytest.raises(TrainingError, match="at least one seed"):
        carry_out_experiment(study, replace(request_of(tmp_path), seeds=0), emit=silent, cancelled=never)


def test_a_folder_with_parts_of_another_configuration_is_refused(
    confounded_study: Path, tmp_path: Path, refused: Run
) -> None:
    from core.experiment.parts import RECORD, PartRecord

    folder = tmp_path / "parts" / "iaia-bl-seed1"
    folder.mkdir(parents=True)
    record = PartRecord(
        key="iaia-bl", name="IAIA-BL", seed=1, fold=0, config={}, data_fingerprint="another", seconds=1.0,
        threads=1, device="cpu", machine="", judged={},
    )  # fmt: skip
    (folder / RECORD).write_bytes(msgspec.json.encode(record))
    said = refused("experiment", "table1", "--study", confounded_study, "--out", tmp_path, *CHANGES)
    assert "another experiment" in said
    assert "different splits" in said


def test_a_study_or_the_phantom_must_be_named(
    refused: Run, misused: Run, trained_study: Path, tmp_path: Path
) -> None:
    assert "--phantom" in misused("experiment", "table1")
    assert "--phantom" in misused("experiment", "table1", "--phantom", "--study", tmp_path)
    assert "at least two runs" in refused("experiment", "compare", "--study", trained_study, "--runs", "tiny")


def test_more_test_patients_than_patients_are_refused() -> None:
    with pytest.raises(StudyError, match="test part"):
        confounded(patients=10, test_patients=10, seed=1)


def test_an_experiment_without_projection_is_refused_before_anything_is_trained(
    confounded_study: Path, tmp_path: Path, refused: Run
) -> None:
    out = tmp_path / "out"
    said = refused(
        "experiment", "table1", "--study", confounded_study, "--out", out, *CHANGES, "--set", "project=false"
    )
    assert "never projected" in said
    assert not out.exists()


def test_runs_of_one_split_are_compared(trained_study: Path, own_study: Path, marginalia: Run) -> None:
    changes = ("epochs.joint=1", "seed=2")
    more = [part for change in (*TINY, *changes) for part in ("--set", change)]
    marginalia("train", own_study, "--name", "other", *more)
    [found] = marginalia("experiment", "compare", "--study", own_study, "--runs", "tiny", "other")["comparisons"]
    assert marginalia("run", "compare", own_study, "tiny", "other")["comparisons"] == [found]
    assert (found["first"], found["second"], found["synthetic"]) == ("tiny", "other", True)
    assert set(found["corrected"]) >= {"margin_auroc", "lesion_precision", "fine_precision"}


def test_runs_of_other_splits_are_refused(own_study: Path, marginalia: Run, refused: Run) -> None:
    marginalia("split", own_study, "--name", "second", "--seed", "9", "--fractions", "0.5", "0.25", "0.25")
    more = [part for change in (*TINY, "epochs.joint=1") for part in ("--set", change)]
    marginalia("train", own_study, "--name", "elsewhere", "--split", "second", *more)
    said = refused("experiment", "compare", "--study", own_study, "--runs", "tiny", "elsewhere")
    assert "trained on different splits" in said
    assert "test patients differ" in said


def test_a_run_that_was_never_projected_is_refused(own_study: Path, marginalia: Run, refused: Run) -> None:
    more = [part for change in (*TINY, "epochs.joint=1", "project=false") for part in ("--set", change)]
    marginalia("train", own_study, "--name", "free", *more)
    assert "never projected" in refused("experiment", "compare", "--study", own_study, "--runs", "tiny", "free")
