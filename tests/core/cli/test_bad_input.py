"""Bad input: one clear sentence on standard error, exit code 1, and nothing half-written."""

from __future__ import annotations

import csv
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import INTERRUPTED

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., Any]


def run_folder(study: Path) -> Path:
    [folder] = (study / "runs").iterdir()
    return folder


@pytest.fixture
def source_copy(synthetic_source: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    shutil.copytree(synthetic_source, folder)
    return folder


def edit_table(folder: Path, edit: Callable[[list[dict[str, str]]], None]) -> None:
    with (folder / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    edit(rows)
    with (folder / "lesions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


def test_a_folder_that_is_no_study(refused: Run, tmp_path: Path) -> None:
    assert "is not a study" in refused("study", "show", tmp_path)


def test_a_study_is_not_made_over_something(refused: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "not empty" in refused("study", "create", tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("command", ["study create {}", "phantom {} --patients 3"])
def test_a_file_in_the_way_of_a_new_folder_is_named(command: str, refused: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    wish = str(tmp_path / "thesis.txt" / "new")
    assert "thesis.txt is a file" in refused(*command.format(wish).split())


def test_a_study_of_a_newer_version(own_study: Path, refused: Run) -> None:
    database = sqlite3.connect(own_study / "study.db")
    database.execute("update alembic_version set version_num = '9999'")
    database.commit()
    database.close()
    assert "newer" in refused("study", "show", own_study)


def test_a_wrong_row_is_named_and_nothing_is_imported(
    source_copy: Path, refused: Run, marginalia: Run, tmp_path: Path
) -> None:
    edit_table(source_copy, lambda rows: rows[3].update(margin="fuzzy"))
    study = tmp_path / "study"
    marginalia("study", "create", study)
    sentence = refused("import", study, source_copy)
    assert "row 5" in sentence
    assert "fuzzy" in sentence
    assert marginalia("study", "show", study)["sources"] == []
    assert marginalia("import", study, source_copy, "--skip-bad-rows")["lesions"] == 47


def test_an_unreadable_image_is_left_out_with_its_reason(
    source_copy: Path, marginalia: Run, tmp_path: Path
) -> None:
    image = sorted((source_copy / "images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:5000])
    study = tmp_path / "study"
    marginalia("study", "create", study)
    report = marginalia("import", study, source_copy)
    assert report["images"] == 47
    assert any(image.name in issue["sentence"] for issue in report["issues"])


def test_no_such_run_names_those_there_are(trained_study: Path, refused: Run) -> None:
    assert "tiny" in refused("evaluate", trained_study, "gone")


def test_pruning_the_last_prototype_of_a_class(trained_study: Path, refused: Run) -> None:
    assert "last prototype" in refused("prune", trained_study, "tiny", 1, 2)


def test_a_prototype_that_does_not_exist(trained_study: Path, refused: Run) -> None:
    assert "Prototype 99" in refused("prune", trained_study, "tiny", 99)


def test_nothing_to_undo(own_study: Path, refused: Run) -> None:
    assert "no pruning to undo" in refused("prune", own_study, "tiny", "--undo")


def test_a_finished_run_is_not_resumed_over_its_prunings(own_study: Path, refused: Run, marginalia: Run) -> None:
    marginalia("prune", own_study, "tiny", 1, "--reason", "on the nipple")
    assert "is finished" in refused("train", own_study, "--resume", "tiny")
    *_, active = marginalia("prune", own_study, "tiny", "--history")["revisions"]
    assert (active["active"], active["reason"]) == (True, "on the nipple")


def test_folds_with_a_split_or_as_the_final_model_are_refused(trained_study: Path, refused: Run) -> None:
    assert "leave out --folds" in refused("train", trained_study, "--folds", 3, "--final", "tiny")


def test_a_truncated_checkpoint(own_study: Path, refused: Run) -> None:
    [weights] = (run_folder(own_study) / "model").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:2000])
    assert weights.name in refused("evaluate", own_study, "tiny")


def test_a_pickle_for_a_checkpoint_is_never_opened(own_study: Path, refused: Run, tmp_path: Path) -> None:
    canary = tmp_path / "executed"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {canary}",)

    [weights] = (run_folder(own_study) / "model").glob("*.safetensors")
    weights.write_bytes(pickle.dumps(Bomb()))
    refused("evaluate", own_study, "tiny")
    assert not canary.exists()


def test_a_checkpoint_of_another_architecture(own_study: Path, refused: Run) -> None:
    card = run_folder(own_study) / "model" / "model.json"
    card.write_text(
        card.read_text()
        .replace('"latent_channels":16', '"latent_channels":32')
        .replace('"latent_channels": 16', '"latent_channels": 32')
    )
    assert refused("evaluate", own_study, "tiny")


def test_a_setting_that_does_not_exist(trained_study: Path, refused: Run) -> None:
    assert "did you mean epochs.joint?" in refused(
        "train", trained_study, "--set", "epochs.jiont=3", "--show-config"
    )


def test_a_setting_out_of_its_limits(trained_study: Path, refused: Run) -> None:
    sentence = refused("train", trained_study, "--set", "architecture.latent_channels=-4", "--show-config")
    assert "latent_channels" in sentence


def test_no_lesion_of_a_class(source_copy: Path, refused: Run, marginalia: Run, tmp_path: Path) -> None:
    def without_spiculated(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row["margin"] = row["margin"].replace("spiculated", "obscured")

    edit_table(source_copy, without_spiculated)
    study = tmp_path / "study"
    marginalia("study", "create", study)
    marginalia("import", study, source_copy)
    assert "spiculated" in refused("train", study)


def test_a_class_with_one_patient(source_copy: Path, refused: Run, marginalia: Run, tmp_path: Path) -> None:
    def one_spiculated(rows: list[dict[str, str]]) -> None:
        patient = next(row["patient_id"] for row in rows if row["margin"] == "spiculated")
        for row in rows:
            if row["margin"] == "spiculated" and row["patient_id"] != patient:
                row["margin"] = "indistinct"

    edit_table(source_copy, one_spiculated)
    study = tmp_path / "study"
    marginalia("study", "create", study)
    marginalia("import", study, source_copy)
    assert "1 patient" in refused("train", study)


def test_two_patients_with_one_identifier(source_copy: Path, marginalia: Run, tmp_path: Path) -> None:
    """Two birth dates under one identifier: the second patient's image is left out with a sentence."""
    import pydicom

    second = sorted((source_copy / "images").iterdir())[1]
    first = sorted((source_copy / "images").iterdir())[0]
    for path, date in ((first, "19500101"), (second, "19611224")):
        dataset = pydicom.dcmread(path)
        dataset.PatientBirthDate = date
        dataset.save_as(path)
    study = tmp_path / "study"
    marginalia("study", "create", study)
    report = marginalia("import", study, source_copy)
    assert any("birth date" in issue["sentence"] for issue in report["issues"])
    assert report["images"] == 47


def test_a_study_that_somebody_else_writes_in(own_study: Path, refused: Run) -> None:
    from core.store.study import Study

    with Study.open(own_study, holder="Dr. Weiss"):
        sentence = refused("split", own_study, "--name", "other")
    assert "Dr. Weiss" in sentence


@pytest.mark.skipif(os.name == "nt", reason="SIGINT to a process group is POSIX")
@pytest.mark.parametrize("delay_s", [0.3, 1.5, 4.0])
def test_ctrl_c_at_any_moment_of_an_import_leaves_a_sound_study(
    synthetic_source: Path, marginalia: Run, tmp_path: Path, delay_s: float
) -> None:
    study = tmp_path / "study"
    marginalia("study", "create", study)
    process = subprocess.Popen(
        [sys.executable, "main.py", "import", str(study), str(synthetic_source)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    time.sleep(delay_s)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in {0, INTERRUPTED, -signal.SIGINT}, errors
    if process.returncode == INTERRUPTED:
        assert "Traceback" not in errors
    marginalia("check", study)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file-size limit of POSIX")
def test_a_full_disk_is_said_and_the_study_stays_sound(
    synthetic_source: Path, marginalia: Run, tmp_path: Path
) -> None:
    """The size limit of a process stands for the full disk: every writer gets EFBIG instead of ENOSPC."""
    study = tmp_path / "study"
    marginalia("study", "create", study)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from core.cli.main import run_command_line\n"
        f"sys.exit(run_command_line(['import', {str(study)!r}, {str(synthetic_source)!r}, '--quiet']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "full" in done.stderr
    assert "Traceback" not in done.stderr
    marginalia("check", study)
