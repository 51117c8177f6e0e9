"""External validation as a user runs it: another study, whole; refused where a training patient stands in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.cli.main import run_command_line
from core.data.importers.folder import DEFAULT_TABLE
from core.data.training_set import build_roi_set
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.store.study import Study
from core.tasks.review.external_validation import _synthetic_model, input_shift, inputs_of
from core.tasks.runs.lifecycle import finished_run, request_of
from core.tasks.runs.run_data import roi_request
from tests.core.cli.conftest import Run


@pytest.fixture(scope="module")
def other_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other synthetic patients: masses half as bright, pixels a quarter larger."""
    place = tmp_path_factory.mktemp("other")
    config = PhantomConfig(patients=8, seed=91, height=480, width=440, spacing_mm=0.25, contrast=(150.0, 370.0))
    write_study_source(place / "source", config, workers=1)
    assert run_command_line(["study", "create", str(place / "study")]) == 0
    assert run_command_line(["import", str(place / "study"), str(place / "source"), "--quiet"]) == 0
    return place / "study"


def test_a_run_is_judged_on_the_whole_of_another_study(
    trained_study: Path, other_study: Path, marginalia: Run
) -> None:
    before = (other_study / "study.db").read_bytes()
    found = marginalia("validate", trained_study, "tiny", "--on", other_study, "--draws", 100)
    report = found["reports"][0]
    assert (report["count"], report["patients"]) == (16, 8) and found["synthetic"]
    keys = {metric["key"] for metric in report["metrics"]}
    assert {"margin_auroc", "lesion_over_position", "fine_drawn_over_position", "abstention"} <= keys
    assert {"margin_auroc_72_hand_made_features_gap", "malignancy_auroc_reader_s_bi_rads_category"} <= keys
    recalibration = found["recalibration"]
    assert 0 < recalibration["observed"] < 1
    assert recalibration["brier_after"]["value"] <= recalibration["brier_before"]["value"] + 1e-9
    shift = {one["quantity"]: one for one in found["shift"]}
    assert shift["pixel spacing, mm"]["training"]["median"] == pytest.approx(0.2)
    assert shift["pixel spacing, mm"]["here"]["median"] == pytest.approx(0.25)
    assert shift["pixel spacing, mm"]["outside"] == 1.0
    assert any("pixel spacing" in warning for warning in found["warnings"])
    assert (other_study / "study.db").read_bytes() == before


def test_a_study_with_a_training_patient_is_refused(trained_study: Path, refused: Run) -> None:
    sentence = refused("validate", trained_study, "tiny", "--on", trained_study)
    assert (
        "is not an external study for tiny" in sentence
        and "18 patients that the model was trained or validated on" in sentence
    )


def test_one_training_image_under_another_name_is_enough_to_refuse(
    trained_study: Path, synthetic_source: Path, tmp_path: Path, refused: Run, marginalia: Run
) -> None:
    """The patient has another identifier there, so that only the content of the image tells."""
    lines = (synthetic_source / DEFAULT_TABLE).read_text().splitlines()
    with Study.open(trained_study, writable=False) as study:
        parts = request_of(study, finished_run(study, "tiny")).parts
        trained = {p for p, part in parts.items() if part != "test"}
        counts = [sum(image.patient_id in trained for image in study.images.all()), len(trained)]
    assert counts[0] == 2 * counts[1]
    # second views alone: ids of patients come from the first image, so that none is known
    copy, folder = tmp_path / "source", tmp_path / "study"
    shutil.copytree(synthetic_source / "images", copy / "images")
    rows = [line.replace(",SYN-5", ",OTHER") for line in lines[1:] if "-MLO" in line]
    (copy / DEFAULT_TABLE).write_text("\n".join([lines[0], *rows]) + "\n")
    marginalia("study", "create", folder)
    marginalia("import", folder, copy)
    with Study.open(folder, writable=False) as study:
        assert not {patient.id for patient in study.patients.all()} & trained
    assert f"{len(trained)} patients that the model was trained or" in refused(
        "validate", trained_study, "tiny", "--on", folder
    )


def test_a_model_of_synthetic_images_is_named_on_images_of_patients(trained_study: Path, tmp_path: Path) -> None:
    with Study.create(tmp_path / "study", name="patients") as patients:
        [warning] = _synthetic_model(True, patients)
        assert "trained on synthetic images" in warning
        assert _synthetic_model(False, patients) == []
    with Study.open(trained_study, writable=False) as synthetic:
        assert _synthetic_model(True, synthetic) == []


def test_a_shift_counts_lesions_outside_the_trainings_usual_range() -> None:
    training = {"a": np.arange(100.0), "b": np.full(5, np.nan)}
    here = {"a": np.array([-5.0, 50.0, 60.0, 200.0]), "b": np.ones(4), "c": np.ones(3)}
    one, two, three = input_shift(here, training)
    assert one.outside == 0.5 and one.here is not None and one.here.median == 55.0
    assert two.training is None and two.outside is None and three.training is None


def test_the_inputs_are_measured_in_millimetres_where_the_spacing_is_known(trained_study: Path) -> None:
    with Study.open(trained_study, writable=False) as study:
        request = roi_request(request_of(study, finished_run(study, "tiny")).config)
        rois = build_roi_set(study, request).rois
        found = inputs_of(study, rois)
    np.testing.assert_allclose(found["lesion diameter, mm"], found["lesion diameter, pixels"] * 0.2)
    assert 8 < np.median(found["lesion diameter, mm"]) < 26
