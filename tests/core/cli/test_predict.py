"""Predictions, one row a lesion, and what can be computed from them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images of three patients that ``synthetic_source`` does not have."""
    folder = tmp_path_factory.mktemp("small") / "source"
    write_study_source(folder, PhantomConfig(patients=3, seed=91, height=480, width=440), workers=1)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_lesion_has_a_row_whose_figures_are_those_of_the_evaluation(
    trained_study: Path, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    table, document = tmp_path / "p.csv", tmp_path / "p.json"
    said = marginalia("predict", trained_study, "tiny", "--out", table)
    assert (said["lesions"], said["without_prediction"], said["synthetic"]) == (48, 0, True)
    rows = rows_of(table)
    assert [row["lesion"] for row in rows] == [
        one["lesion"] for one in marginalia("study", "lesions", trained_study)["lesions"]
    ]
    for row in rows:
        shares = [float(row[f"p_{name}"]) for name in ("circumscribed", "indistinct", "spiculated")]
        assert sum(shares) == pytest.approx(1)
        near = [float(row[f"prototype_{n}_similarity"]) for n in (1, 2, 3)]
        assert near == sorted(near, reverse=True)
        assert row["abstained"] == str(float(row["evidence"]) < float(row["evidence_threshold"]))
    marginalia("predict", trained_study, "tiny", "--part", "test", "--out", document)
    test_rows = json.loads(document.read_bytes())["predictions"]
    assert {row["lesion"] for row in test_rows} == {row["lesion"] for row in rows if row["part"] == "test"}
    of_run = marginalia("evaluate", trained_study, "tiny", "--draws", 200)
    of_table = marginalia("evaluate", "--predictions", table, "--part", "test", "--draws", 200)
    assert of_table["confusion"] == of_run["confusion"]
    for mine, theirs in zip(of_table["reports"], of_run["reports"], strict=True):
        known = {(one["key"], one["as_in_paper"]): one["estimate"] for one in theirs["metrics"]}
        assert mine["synthetic"] is True
        for one in mine["metrics"]:
            estimate, other = one["estimate"], known[one["key"], one["as_in_paper"]]
            for figure in ("value", "low", "high"):
                assert estimate[figure] == pytest.approx(other[figure], abs=1e-9), one["key"]
    assert "add --overwrite" in refused("predict", trained_study, "tiny", "--out", table)
    marginalia("predict", trained_study, "tiny", "--out", table, "--overwrite")


def test_images_that_came_after_training_and_without_labels_are_predicted_under_their_own_names(
    own_study: Path, small_source: Path, marginalia: Run, tmp_path: Path
) -> None:
    source = tmp_path / "late"
    shutil.copytree(small_source, source)
    lesions = rows_of(source / "lesions.csv")
    with (source / "lesions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, lesions[0].keys())
        writer.writeheader()
        writer.writerows(
            row | {"margin": "" if place == 0 else row["margin"]} for place, row in enumerate(lesions)
        )
    marginalia("import", own_study, source, "--keep-file-names")
    table = tmp_path / "p.csv"
    marginalia("predict", own_study, "tiny", "--part", "none", "--out", table)
    found = {row["file"]: row for row in rows_of(table)}
    assert found.keys() == {row["image"] for row in lesions}
    for row in lesions[1:]:
        assert found[row["image"]]["labelled"] == row["margin"]
        assert found[row["image"]]["source"] == "late"
    first = found[lesions[0]["image"]]
    assert first["labelled"] == "" and first["predicted"]
    listed = {one["file"] for one in marginalia("study", "lesions", own_study)["lesions"]}
    assert set(found) <= listed
    names = own_study.with_name("study.file-names.csv")
    assert names.stat().st_mode & 0o077 == 0
    marginalia("forget", own_study, first["patient"], "--yes")
    assert first["file"] not in names.read_text()
    assert found[lesions[-1]["image"]]["file"] in names.read_text()


def test_parquet_needs_its_package_and_other_endings_are_refused(trained_study: Path, refused: Run) -> None:
    assert ".csv, .json, .parquet" in refused("predict", trained_study, "tiny", "--out", "p.xlsx")
    try:
        import pyarrow  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        assert "pyarrow" in refused("predict", trained_study, "tiny", "--out", "p.parquet")


def test_predictions_as_parquet(trained_study: Path, marginalia: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    marginalia("predict", trained_study, "tiny", "--out", tmp_path / "p.parquet")
    table = parquet.read_table(tmp_path / "p.parquet")
    assert table.num_rows == 48
    assert {"file", "lesion", "p_spiculated", "abstained"} <= set(table.column_names)


def test_a_table_that_is_no_table_of_predictions_is_refused(refused: Run, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("patient,lesion,labelled\nP1,l1,spiculated\n")
    assert "p_CLASS" in refused("evaluate", "--predictions", table)
    table.write_text("patient,lesion,labelled,p_a,p_b\nP1,l1,a,0.5,1.5\n")
    sentence = refused("evaluate", "--predictions", table)
    assert "row 2" in sentence and "p_b" in sentence
    table.write_text("patient,lesion,labelled,p_a,p_b\nP1,l1,c,0.5,0.5\n")
    assert "no labelled lesion" in refused("evaluate", "--predictions", table)


def test_an_evaluation_is_a_folder_of_tables_figures_and_a_page(
    trained_study: Path, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    out = tmp_path / "evaluation"
    found = marginalia("evaluate", trained_study, "tiny", "--draws", 100, "--out", out)
    names = {path.name for path in out.iterdir()}
    assert {Path(name).name for name in found["files"]} == names
    assert {"index.html", "metrics.csv", "predictions.csv", "confusion.csv"} <= names
    for figure in ("roc", "calibration", "decision-curve", "confusion"):
        assert (out / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "Synthetic data" in (out / f"{figure}.svg").read_text()
    page = (out / "index.html").read_text("utf-8")
    assert "Not for clinical use" in page and "SYNTHETIC" in page.upper()
    assert 'src="http' not in page and page.count("data:image/svg+xml") == 4
    table = rows_of(out / "confusion.csv")
    counts = [[int(row[name]) for name in found["confusion"]["classes"]] for row in table]
    assert counts == found["confusion"]["labelled_by_predicted"]
    assert sum(map(sum, counts)) == found["reports"][0]["count"] == len(rows_of(out / "predictions.csv"))
    metrics = {
        (row["unit"], row["metric"]): row for row in rows_of(out / "metrics.csv") if "paper" not in row["interval"]
    }
    for one in found["reports"][0]["metrics"]:
        if not one["as_in_paper"] and one["estimate"]["value"] is not None:
            assert float(metrics["image", one["key"]]["value"]) == one["estimate"]["value"]
    assert "add --overwrite" in refused("evaluate", trained_study, "tiny", "--out", out)


def test_the_terminal_shows_a_dozen_lines_and_all_on_request(
    trained_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.cli.main import run_command_line

    shown = []
    for more in ([], ["--all"]):
        capsys.readouterr()
        assert run_command_line(["evaluate", str(trained_study), "tiny", "--draws", "50", "--quiet", *more]) == 0
        shown.append(capsys.readouterr().out.splitlines())
    assert len(shown[0]) <= 14
    assert "SYNTHETIC" in shown[0][0] and any("Margin AUROC" in line for line in shown[0])
    assert len(shown[1]) > 50 and any("prototype 6" in line for line in shown[1])
