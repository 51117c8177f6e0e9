"""Every command on a real, small, synthetic study."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., Any]


def test_help_imports_none_of_the_heavy_packages() -> None:
    code = (
        "import sys; from core.cli.main import build_parser; build_parser().format_help()\n"
        "heavy = {'torch', 'cv2', 'numpy', 'scipy', 'skimage', 'sqlalchemy', 'h5py', 'matplotlib'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_study_is_shown_and_says_synthetic(trained_study: Path, marginalia: Run) -> None:
    found = marginalia("study", "show", trained_study)
    assert found["synthetic"] is True
    [source] = found["sources"]
    assert (source["patients"], source["images"], source["lesions"]) == (24, 48, 48)
    assert source["finely_annotated"] == 48
    assert found["runs"] == ["tiny (finished)"]


def test_lesions_are_listed_by_the_identifiers_that_explain_takes(
    trained_study: Path, marginalia: Run, tmp_path: Path
) -> None:
    lesions = marginalia("study", "lesions", trained_study)["lesions"]
    assert len(lesions) == 48 and {one["margin"] for one in lesions} == {
        "circumscribed",
        "indistinct",
        "spiculated",
    }
    name = lesions[0]["lesion"]
    [page] = marginalia("explain", trained_study, "tiny", name[:8], "--out", tmp_path / "p")["explanations"]
    assert page["lesion"] == name


def test_a_fresh_study_is_sound(trained_study: Path, marginalia: Run) -> None:
    marginalia("check", trained_study)


def test_evaluation_gives_figures_per_image_and_per_finding(trained_study: Path, marginalia: Run) -> None:
    by_image, by_finding = marginalia("evaluate", trained_study, "tiny", "--draws", 200, "--maps")["reports"]
    assert (by_image["unit"], by_finding["unit"]) == ("image", "finding")
    assert by_image["count"] == 2 * by_finding["count"]
    keys = {metric["key"] for metric in by_image["metrics"]}
    assert {"margin_auroc", "kappa", "lesion_precision", "fine_precision", "fine_blob"} <= keys
    assert {"fine_energy", "fine_ever_fires", "lesion_fires"} <= keys
    prototypes = {metric["key"] for metric in by_image["prototypes"]}
    assert {f"lesion_precision_prototype_{number}" for number in range(1, 7)} <= prototypes
    measured = {metric["key"]: metric["estimate"] for metric in by_image["maps"]}
    assert {"stability_noise", "stability_recompression", "stability_shift_class", "deletion_gain"} <= set(
        measured
    )
    assert 0 < measured["stability_noise"]["value"] <= 1
    assert by_finding["maps"] == []
    assert by_image["synthetic"] is True


def test_explanations_are_pages_that_stand_alone(trained_study: Path, marginalia: Run, tmp_path: Path) -> None:
    found = marginalia("explain", trained_study, "tiny", "--out", tmp_path / "pages")["explanations"]
    assert found
    for one in found:
        page = Path(one["page"]).read_text("utf-8")
        assert "Not for clinical use" in page
        assert "SYNTHETIC" in page.upper()
        assert 'src="http' not in page
        assert set(one["logits"]) == {"circumscribed", "indistinct", "spiculated"}


def test_prototypes_are_listed_with_their_worth(trained_study: Path, marginalia: Run) -> None:
    found = marginalia("prototypes", trained_study, "tiny")["prototypes"]
    assert [one["number"] for one in found] == [1, 2, 3, 4, 5, 6]
    assert all(one["lesion_id"] and set(one["weights"]) for one in found)


def test_a_pruning_is_shown_then_done_then_undone_then_redone(own_study: Path, marginalia: Run) -> None:
    shown = marginalia("prune", own_study, "tiny", 2)
    assert "revision" not in shown
    done = marginalia("prune", own_study, "tiny", 2, "--reason", "too vague")
    assert done["kept"] == [1, 3, 4, 5, 6]
    assert [one["number"] for one in marginalia("prototypes", own_study, "tiny")["prototypes"]] == done["kept"]
    figures = marginalia("evaluate", own_study, "tiny", "--draws", 100)["reports"][0]
    named = {metric["key"].rsplit("_", 1)[1] for metric in figures["prototypes"]}
    assert named == {str(number) for number in done["kept"]}
    assert marginalia("prune", own_study, "tiny", "--undo")["reason"] == "As trained"
    assert len(marginalia("prototypes", own_study, "tiny")["prototypes"]) == 6
    assert marginalia("prune", own_study, "tiny", "--redo")["revision"] == done["revision"]
    assert marginalia("evaluate", own_study, "tiny", "--draws", 100)["reports"][0] == figures
    history = marginalia("prune", own_study, "tiny", "--history")["revisions"]
    assert [(one["reason"], one["active"]) for one in history] == [("As trained", False), ("too vague", True)]
    marginalia("check", own_study)


def test_a_pruned_model_explains_with_the_prototypes_that_are_left(
    own_study: Path, marginalia: Run, tmp_path: Path
) -> None:
    marginalia("prune", own_study, "tiny", 1, 4, "--reason", "test")
    found = marginalia("explain", own_study, "tiny", "--out", tmp_path / "pages")["explanations"]
    assert found


def test_folds_test_every_lesion_once_and_are_pooled(own_study: Path, marginalia: Run) -> None:
    from tests.core.cli.conftest import TINY

    changes = [part for change in (*TINY, "epochs.joint=1") for part in ("--set", change)]
    runs = marginalia("train", own_study, "--folds", 3, "--name", "cv", *changes)["runs"]
    assert [run["name"] for run in runs] == ["cv-fold1", "cv-fold2", "cv-fold3"]
    report = marginalia("evaluate", own_study, *(run["name"] for run in runs), "--draws", 100)["reports"][0]
    assert report["count"] == 48


def test_the_final_model_is_trained_to_the_chosen_epoch_on_training_and_validation(
    own_study: Path, marginalia: Run
) -> None:
    validated = json.loads(next((own_study / "runs").glob("*/run.json")).read_bytes())
    [run] = marginalia("train", own_study, "--final", "tiny")["runs"]
    record = run["metrics"]["record"]
    assert run["name"] == "tiny-final"
    assert record["best_epoch"] == validated["best_epoch"]
    assert record["lesions"]["training"] == sum(validated["lesions"][part] for part in ("training", "validation"))
    assert record["lesions"]["validation"] == 0
    assert record["lesions"]["test"] == validated["lesions"]["test"]


def test_the_configuration_can_be_shown_with_its_deviations(trained_study: Path, marginalia: Run) -> None:
    config = marginalia("train", trained_study, "--preset", "paper", "--show-config")
    assert config["architecture"]["backbone"] == "vgg16"
    assert config["loss"]["fine"] == 0.085


def test_training_on_shape_runs_end_to_end(own_study: Path, marginalia: Run) -> None:
    from tests.core.cli.conftest import TINY

    marginalia("split", own_study, "--name", "by-shape", "--label", "shape", "--fractions", 0.5, 0.25, 0.25)
    changes = [part for change in (*TINY, "epochs.joint=1") for part in ("--set", change)]
    marginalia("train", own_study, "--label", "shape", "--split", "by-shape", "--name", "shape", *changes)
    report = marginalia("evaluate", own_study, "shape", "--draws", 100)["reports"][0]
    assert {"auroc_oval", "auroc_round", "auroc_irregular"} <= {metric["key"] for metric in report["metrics"]}


@pytest.mark.parametrize("layout", ["authors", "png", "coco"])
def test_exports_write_every_lesion_under_pseudonyms(
    trained_study: Path, marginalia: Run, tmp_path: Path, layout: str
) -> None:
    folder = tmp_path / layout
    assert marginalia("export", trained_study, "--format", layout, "--out", folder)["lesions"] == 48
    for path in folder.rglob("*"):
        assert "SYN-" not in path.name
        assert not path.is_file() or b"SYN-5-" not in path.read_bytes()


def test_json_output_is_one_document_and_nothing_else(trained_study: Path) -> None:
    done = subprocess.run(
        [sys.executable, "main.py", "study", "show", str(trained_study), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["name"]
