"""Runs and models as things with names: listed, shown, renamed, deleted, exported, configured."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.cli.main import run_command_line
from core.domain.study import RunStatus
from core.store.study import Study
from core.tasks.runs.configure import configure
from core.tasks.runs.training_plan import plan_seeds
from core.training.config import TrainingConfig

Run = Callable[..., Any]


def test_runs_are_listed_shown_renamed_and_deleted(own_study: Path, marginalia: Run, refused: Run) -> None:
    [line] = marginalia("run", "list", own_study)["runs"]
    assert (line["name"], line["status"], line["prototypes"], line["pruned"]) == ("tiny", "finished", 6, False)
    shown = marginalia("run", "show", own_study, "tiny")
    assert shown["patients"] == {"training": 12, "validation": 6, "test": 6}
    assert len(shown["model_sha256"]) == 64 and shown["config"]["transform"]["input_size"] == 64
    for name in ("../x", ".x", "my run", "x" * 65, ""):
        assert "cannot be named" in refused("run", "rename", own_study, "tiny", name)
    assert marginalia("run", "rename", own_study, "tiny", "base.line_1")["was"] == "tiny"
    assert "named base.line_1 already" in refused("run", "rename", own_study, "base.line_1", "base.line_1")
    planned = marginalia("run", "delete", own_study, "base.line_1")
    assert planned["done"] is False and planned["files"] > 3
    assert marginalia("evaluate", own_study, "base.line_1", "--draws", 20)
    assert marginalia("run", "delete", own_study, "base.line_1", "--yes")["done"] is True
    assert marginalia("run", "list", own_study)["runs"] == []
    assert "no run base.line_1" in refused("evaluate", own_study, "base.line_1")
    with Study.open(own_study, writable=False) as study:
        [gone] = study.runs.all(archived=True)
        assert gone.archived and gone.status is RunStatus.CANCELLED
        assert study.runs.find("base.line_1") is None
    marginalia("check", own_study)


def test_a_run_whose_model_a_reader_study_shows_stays(own_study: Path, marginalia: Run, refused: Run) -> None:
    marginalia("reader-study", "make", own_study, "--run", "tiny", "--name", "pilot", "--most", 2)
    assert "The reader study pilot" in refused("run", "delete", own_study, "tiny", "--yes")


def test_a_model_is_exported_shown_and_replaced_on_request(
    trained_study: Path, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.marginalia-model"
    made = marginalia("model", "export", trained_study, "tiny", "--out", file)
    shown = marginalia("model", "show", file)
    assert shown["contents"] == made
    assert shown["card"]["class_names"] == ["circumscribed", "indistinct", "spiculated"]
    assert "add --overwrite" in refused("model", "export", trained_study, "tiny", "--out", file)
    marginalia("model", "export", trained_study, "tiny", "--out", file, "--overwrite")


def test_a_model_is_not_exported_where_its_training_images_are_not(
    own_study: Path, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    """Its weights could not be compared with them. With the split that it was trained on, they are here."""
    file = tmp_path / "tiny.marginalia-model"
    marginalia("model", "export", own_study, "tiny", "--out", file)
    marginalia("model", "import", own_study, file, "--name", "back")
    again = tmp_path / "again.marginalia-model"
    assert "pass on the file" in refused("model", "export", own_study, "back", "--out", again)
    marginalia("model", "import", own_study, file, "--name", "there", "--split", "default")
    assert marginalia("model", "export", own_study, "there", "--out", again)["latent_prototypes"] == 6


def test_a_configuration_comes_back_from_its_file(
    trained_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Run
) -> None:
    file = tmp_path / "my.toml"
    asked = [
        "train",
        str(trained_study),
        "--preset",
        "frozen",
        "--set",
        "loss.fine=0.05",
        "--seed",
        "7",
        "--show-config",
    ]
    assert run_command_line(asked) == 0
    file.write_text(capsys.readouterr().out)
    expected = configure("frozen", seed=7, changes=["loss.fine=0.05"])
    assert configure("compact", changes=(), file=file) == expected
    assert configure("compact", seed=8, changes=["device=cpu"], file=file) == msgspec.structs.replace(
        expected, seed=8, device="cpu"
    )
    assert msgspec.convert(tomllib.loads(file.read_text()), TrainingConfig) == expected
    file.write_text("[epochs]\njoints = 3\n")
    sentence = refused("train", trained_study, "--config", file, "--show-config")
    assert "my.toml" in sentence and "did you mean epochs.joint?" in sentence
    file.write_text("epochs = [")
    assert "is not a TOML file" in refused("train", trained_study, "--config", file, "--show-config")


def test_several_seeds_are_several_runs_on_one_split(own_study: Path) -> None:
    with Study.open(own_study) as study:
        runs = plan_seeds(study, configure("compact", changes=()), seeds=(3, 5), name="pilot")
        assert [(run.name, run.config["seed"]) for run in runs] == [("pilot-seed3", 3), ("pilot-seed5", 5)]


def test_readings_that_were_made_elsewhere_are_imported(
    own_study: Path, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    made = marginalia("reader-study", "make", own_study, "--run", "tiny", "--name", "pilot", "--most", 4)
    file = tmp_path / "readings.csv"
    columns = ("reader", "lesion", "condition", "margin", "probability_of_malignancy", "trust", "seconds")
    rows = [
        ("Dr. A", lesion[:12], condition, "spiculated", 0.25 + place / 10, trust, 12.5 + place)
        for place, lesion in enumerate(made["lesion_ids"])
        for condition, trust in (("with the model", 4), ("alone", ""))
    ]

    def write(lines: list[tuple[object, ...]]) -> None:
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([columns, *lines])

    write([*rows[:-1], (*rows[-1][:4], 1.5, *rows[-1][5:])])
    assert "row 9" in refused("reader-study", "import", own_study, file, "--name", "pilot")
    write([*rows, rows[0]])
    assert "2 readings" in refused("reader-study", "import", own_study, file, "--name", "pilot")
    write(rows)
    assert marginalia("reader-study", "import", own_study, file, "--name", "pilot")["readings"] == 8
    assert "read already" in refused("reader-study", "import", own_study, file, "--name", "pilot")
    out = tmp_path / "out.csv"
    assert marginalia("reader-study", "export", own_study, "--name", "pilot", "--out", out)["readings"] == 8
    with out.open(newline="") as text:
        back = {(row["lesion"], row["condition"]): row for row in csv.DictReader(text)}
    for place, lesion in enumerate(made["lesion_ids"]):
        row = back[lesion, "with the model"]
        assert (float(row["probability_of_malignancy"]), row["trust"]) == (0.25 + place / 10, "4")
        assert float(row["seconds"]) == 12.5 + place
    marginalia("reader-study", "evaluate", own_study, "--name", "pilot")


def test_pruning_shows_the_test_part_on_request_only(trained_study: Path, marginalia: Run) -> None:
    shown = marginalia("prune", trained_study, "tiny", 2)
    assert shown["before"].keys() == shown["after"].keys() == {"validation"}
    assert {flip["part"] for flip in shown["flips"]} <= {"validation"}
    assert marginalia("prune", trained_study, "tiny", 2, "--test")["before"].keys() == {"validation", "test"}
