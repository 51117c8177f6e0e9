"""Importing what the study holds, held, or cannot use: labels, forgotten patients, dry runs, exit codes."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.cli.main import run_command_line
from core.domain.vocabulary import MassShape
from core.phantom.config import PhantomConfig
from core.phantom.source import write_study_source
from core.store.study import Study

Run = Callable[..., Any]


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source") / "hospital"
    write_study_source(folder, PhantomConfig(patients=3, seed=17, height=480, width=440), workers=1)
    return folder


def relabel(folder: Path, **changes: str) -> dict[str, str]:
    """Change the first row of the table; the row as it was."""
    with (folder / "lesions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    before = dict(rows[0])
    rows[0].update(changes)
    with (folder / "lesions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return before


def test_what_is_there_is_left_out_and_its_labels_are_updated_on_request(
    source: Path, marginalia: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, outcome = tmp_path / "study", tmp_path / "outcome.csv"
    marginalia("study", "create", study)
    planned = marginalia("import", study, source, "--dry-run")
    assert (planned["images"], planned["already_in_study"]) == (6, None)
    assert marginalia("import", study, source, "--results", outcome)["images"] == 6
    again = marginalia("import", study, source, "--dry-run", "--decode")
    assert (again["images"], again["already_in_study"], again["updated"]) == (0, 6, 0)
    before = relabel(source, margin="obscured")
    capsys.readouterr()
    assert run_command_line(["import", str(study), str(source), "--quiet"]) == 0
    output = capsys.readouterr()
    assert len(output.err.splitlines()) == 1
    assert f"{before['margin']} -> obscured" in output.err and "--update-labels" in output.err
    assert "6 files already in the study" in output.out

    with Study.open(study) as opened:
        reader = opened.readers.ensure("Dr. A").id
        lesion = opened.lesions.all()[0]
        opened.lesions.set_labels(lesion.id, lesion.labels, reader_id=reader)
    for options, expected in ((("--dry-run", "--decode"), before["margin"]), ((), "obscured")):
        assert marginalia("import", study, source, "--update-labels", *options)["updated"] == 1
        with Study.open(study, writable=False) as opened:
            labels = {str(one.labels.margin) for one in opened.lesions.all() if one.id == lesion.id}
            assert labels == {expected}
            assert str(opened.lesions.labels(lesion.id, reader_id=reader).margin) == before["margin"]  # type: ignore[union-attr]
    assert marginalia("import", study, source, "--update-labels")["updated"] == 0
    marginalia("check", study)

    with outcome.open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = {one["lesion"]: one["patient"] for one in marginalia("study", "lesions", study)["lesions"]}
    assert {row["file"] for row in rows} == {
        path.relative_to(source).as_posix() for path in source.glob("images/*")
    }
    assert {(row["lesions"], row["patient"]) for row in rows} == set(listed.items())


def test_an_exported_table_makes_the_same_lesions_beside_the_files_that_they_were_drawn_on(
    source: Path, marginalia: Run, refused: Run, tmp_path: Path
) -> None:
    first, second, out = tmp_path / "first", tmp_path / "second", tmp_path / "out"
    marginalia("study", "create", first)
    marginalia("import", first, source)
    export = ("export", first, "--format", "csv", "--out", out)
    assert "--keep-file-names" in refused(*export, "--own-file-names")
    marginalia("import", first, source, "--keep-file-names")
    with Study.open(first) as opened:
        lesion = opened.lesions.all()[0]
        labels = msgspec.structs.replace(lesion.labels, probability_of_malignancy=0.25, shape=MassShape.OVAL)
        opened.lesions.set_labels(lesion.id, labels, reader_id=None)
    assert marginalia(*export, "--own-file-names")["lesions"] == 6
    assert "YOUR OWN FILE NAMES" in (out / "README.txt").read_text("utf-8")
    marginalia("study", "create", second)
    report = marginalia("import", second, source, "--table", out / "annotations.csv")
    assert (report["lesions"], report["fine_annotations"]) == (6, 6)
    assert everything_of(first) == everything_of(second)


def everything_of(folder: Path) -> list[tuple[object, ...]]:
    """Every lesion with what a table can hold; findings by the images that they are seen in."""
    with Study.open(folder, writable=False) as study:
        images = {image.id: image for image in study.images.all()}
        seen: dict[str, set[str]] = {}
        for lesion in study.lesions.all():
            seen.setdefault(lesion.finding_id, set()).add(images[lesion.image_id].content_sha256)
        fine = {one.lesion_id: one.shapes for one in study.annotations.all_current()}
        return sorted(
            (
                image.content_sha256, str(image.laterality), str(image.view), image.pixel_spacing_mm,
                repr(lesion.outline), lesion.frame, repr(lesion.labels), repr(fine.get(lesion.id)),
                sorted(seen[lesion.finding_id]),
            )
            for lesion in study.lesions.all()
            for image in [images[lesion.image_id]]
        )  # fmt: skip


def test_a_forgotten_patient_comes_back_on_request_only(source: Path, marginalia: Run, tmp_path: Path) -> None:
    study = tmp_path / "study"
    marginalia("study", "create", study)
    marginalia("import", study, source)
    patient = marginalia("study", "lesions", study)["lesions"][0]["patient"]
    marginalia("forget", study, patient, "--yes")
    for options in (("--dry-run", "--decode"), ()):
        report = marginalia("import", study, source, *options)
        assert (report["images"], report["already_in_study"]) == (0, 4)
        assert sum("was forgotten" in issue["sentence"] for issue in report["issues"]) == 2
    assert marginalia("import", study, source, "--again")["images"] == 2
    assert len(marginalia("study", "lesions", study)["lesions"]) == 6
    marginalia("check", study)


def test_exit_code_1_if_nothing_could_be_imported_and_few_lines_if_much_could_not(
    source: Path, tmp_path: Path, marginalia: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    study, bad = tmp_path / "study", tmp_path / "bad"
    marginalia("study", "create", study)
    bad.mkdir()
    images = sorted((source / "images").iterdir())
    for number in range(9):
        (bad / f"{number}.dcm").write_bytes(images[0].read_bytes()[: 5000 + number])
    for options in ([], ["--dry-run", "--decode"]):
        capsys.readouterr()
        assert run_command_line(["import", str(study), str(bad), "--quiet", *options]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 6 and "and 4 more; --results FILE.csv lists them all" in lines[-1]
    shutil.copy(images[0], bad / "good.dcm")
    assert marginalia("import", study, bad)["images"] == 1
    assert marginalia("import", study, bad)["already_in_study"] == 1


def test_a_column_with_nearly_a_known_name_is_a_warning(
    source: Path, tmp_path: Path, marginalia: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    table = source / "lesions.csv"
    table.write_text(table.read_text().replace("margin", "margins", 1))
    marginalia("study", "create", tmp_path / "study")
    assert run_command_line(["import", str(tmp_path / "study"), str(source), "--dry-run", "--quiet"]) == 0
    output = capsys.readouterr()
    assert "Warning: row 1: Unknown column 'margins' ignored; did you mean 'margin'?" in output.err
    assert "6 lesions without a margin" in output.out
