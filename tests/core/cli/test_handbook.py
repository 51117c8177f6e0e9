"""The handbook: its notebook reproduces the command line's figures, its scripts run."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import api
from tests.trained_study import TINY

ROOT = Path(__file__).resolve().parents[3]
HANDBOOK = ROOT / "resources" / "handbook"
NOTEBOOK = HANDBOOK / "first-study.ipynb"
Run = Callable[..., Any]


def run_notebook(parameters: dict[str, object]) -> dict[str, Any]:
    """Runs the code cells in order, with these values in place of the parameters; the variables at the end."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    variables: dict[str, Any] = {}
    for number, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), variables)
        if "parameters" in cell["metadata"].get("tags", ()):
            assert parameters.keys() <= variables.keys()
            variables |= parameters
    return variables


def test_the_notebook_reproduces_the_figures_of_the_command_line(
    own_study: Path, marginalia: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run_notebook({"FOLDER": str(own_study), "RUN": "tiny", "DRAWS": 200})
    by_image = marginalia("evaluate", own_study, "tiny", "--draws", 200)["reports"][0]
    expected = {
        metric["key"]: tuple(metric["estimate"][name] for name in ("value", "low", "high"))
        for metric in (*by_image["metrics"], *by_image["prototypes"])
        if not metric["as_in_paper"]
    }
    assert ended["figures"] == expected
    assert len(ended["curves"]) == 4 and all(curve is not None for curve in ended["curves"])
    rois = ended["rois"]
    assert rois.pixels.shape == rois.lesion.shape == rois.fine.shape and len(rois.pixels) == 48
    assert sum(len(row) > 0 for row in ended["prototypes"]) == 6
    assert ended["explanation"].roi.lesion_id == ended["test"][0]["lesion"]


@pytest.mark.slow
def test_the_notebook_runs_from_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {name: json.loads(value) for name, value in (change.split("=") for change in TINY)}
    ended = run_notebook({"PATIENTS": 40, "SETTINGS": settings, "DRAWS": 200})
    assert ended["figures"]["margin_auroc"][0] is not None
    assert all(row["file"] for row in ended["rows"])


def test_every_function_of_the_api_is_documented_and_there_are_about_twenty() -> None:
    functions = [name for name in api.__all__ if callable(getattr(api, name)) and name[0].islower()]
    assert 18 <= len(functions) <= 26
    for name in functions:
        assert getattr(api, name).__doc__, name


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.shared
@pytest.mark.timeout(3600)
def test_the_script_goes_from_cbis_ddsm_to_predictions_in_a_second_study(
    real_mammograms: Path, tmp_path: Path
) -> None:
    data, work = real_mammograms / "cbis-ddsm", tmp_path / "work"
    program = f"{sys.executable} {ROOT / 'main.py'}"
    settings = [*TINY, "epochs.draws=200"]
    subprocess.run(
        ["sh", str(HANDBOOK / "cbis-ddsm.sh"), str(data), str(work), *settings],
        check=True,
        cwd=tmp_path,
        env=os.environ | {"MARGINALIA": program},
    )
    lesions = {row["image"]: row for row in rows_of(data / "lesions.csv") if row["x0"]}
    outcome = {row["file"]: row for row in rows_of(work / "outcome.csv")}
    for name in ("predictions.csv", "second.csv"):
        found = {row["file"]: row for row in rows_of(work / name)}
        imported = {name for name, row in outcome.items() if row["lesions"]}
        assert found.keys() == imported & lesions.keys()
        assert len(found) > 1000
        assert all(row["predicted"] for row in found.values())
        for file, row in found.items():
            if lesions[file]["margin"] and row["labelled"]:
                assert row["labelled"] == lesions[file]["margin"]
    assert (work / "evaluation" / "index.html").is_file()
    assert list((work / "explanations").glob("*.html"))
