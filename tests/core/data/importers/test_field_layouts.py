"""Folders as archives and scanners leave them: what is taken, what is left out, and what the study then shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from core.cli.main import run_command_line
from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan
from core.data.importers.outcomes import ImportOutcome
from core.data.windowing import grey_table, table_index
from core.store.arrays import Shown, pyramid
from core.store.study import Study
from tests.core.imaging.samples import dataset, save, texture


def placed(folder: Path, name: str, seed: int = 1, **attributes: object) -> Path:
    made = folder.parent / "made"
    made.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    found = dataset(made, texture(seed=seed), **attributes)
    return save(found, folder / name).rename(folder / name)


NAMES = (
    "1.2.826.0.1.77",
    "I0000001.img",
    "IM0001.dc3",
    "MG.1.2.840",
    "image.DCM",
    "scan.dcm.1",
    "DICOM0",
    "a.bin",
)


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for seed, name in enumerate(NAMES):
        placed(folder, name, seed)
    others = {"notes.dcm": b"hello", "viewer.exe": b"MZ\x90\0", "report.pdf": b"%PDF-1.7", "nothing.dcm": b"",
              "old.7z": b"7z\xbc\xaf\x27\x1c\0"}  # fmt: skip
    for name, content in others.items():
        (folder / name).write_bytes(content)
    (folder / "link.dcm").symlink_to(folder / NAMES[0])
    plan = make_plan(folder)
    assert sorted(image.where for image in plan.images) == sorted(NAMES)
    reasons = {one.name: one.reason for one in plan.passed_over}
    assert reasons.keys() == {*others, "link.dcm"}
    assert (reasons["nothing.dcm"], reasons["viewer.exe"]) == ("empty", "a program") and "unpack" in reasons[
        "old.7z"
    ]
    with Study.create(tmp_path / "study", name="s") as study:
        report = run_import(study, plan)
    assert report.images == len(NAMES)
    left_out = [file.name for file in report.files if file.fate is ImportOutcome.LEFT_OUT]
    assert sorted(left_out) == sorted(reasons)


@pytest.mark.parametrize(
    ("attributes", "taken", "words"),
    [
        ({"Modality": "MG"}, True, ""),
        ({"Modality": ""}, True, ""),
        ({"Modality": "MR", "BodyPartExamined": "BREAST"}, False, "MR image"),
        ({"Modality": "CT"}, False, "CT image"),
        ({"Modality": "CR", "BodyPartExamined": "BREAST"}, True, "a Modality other"),
        ({"Modality": "OT", "BodyPartExamined": "", "ViewPosition": "", "ViewCodeSequence": []}, False, "another"),
        ({"Modality": "OT"}, True, "a Modality other"),
        ({"Modality": "SEG"}, False, "segmentation"),
    ],
)
def test_modality(tmp_path: Path, attributes: dict[str, object], taken: bool, words: str) -> None:
    folder = tmp_path / "in"
    placed(folder, "x", **attributes)
    with Study.create(tmp_path / "study", name="s") as study:
        report = run_import(study, make_plan(folder))
    assert report.images == int(taken) and report.nothing_usable is not taken
    assert words in " ".join(issue.sentence for issue in report.issues)


def test_the_exit_code_is_1_where_no_file_could_be_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder, study = tmp_path / "in", tmp_path / "study"
    placed(folder, "a", Modality="MR")
    assert run_command_line(["study", "create", str(study), "--quiet"]) == 0
    assert run_command_line(["import", str(study), str(folder), "--quiet"]) == 1
    placed(folder, "b", 2)
    assert run_command_line(["import", str(study), str(folder), "--quiet"]) == 0
    assert run_command_line(["import", str(study), str(folder / "b"), "--quiet"]) == 0, "it is there already"
    capfd.readouterr()


def test_the_study_shows_padding_black_and_a_voi_lut_as_the_file_has_it(tmp_path: Path) -> None:
    folder, item = tmp_path / "in", Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    item.add_new("LUTData", "US", list(range(4096)))
    made = tmp_path / "made"
    made.mkdir()
    found = dataset(made, VOILUTSequence=[item])
    del found.WindowCenter, found.WindowWidth
    found.add_new("PixelPaddingValue", "US", 4095)
    found.add_new("PixelPaddingRangeLimit", "US", 3000)
    folder.mkdir()
    save(found, folder / "a")
    with Study.create(tmp_path / "study", name="s") as study:
        run_import(study, make_plan(folder))
        (image,) = study.images.all()
        pixels = study.arrays.read_pixels(image.id)
        tables = study.arrays.read_voi_luts(image.id)
        assert (image.padding, image.tables, len(tables)) == ((3000, 4095), 1, 1)
        grey = grey_table(image, pixels, "file", tables)[table_index(pixels)]
    expected = np.where(pixels >= 3000, 0, pixels.astype(int) * 255 / 4095)
    assert np.abs(grey - expected).max() <= 1


@pytest.mark.parametrize(("bright", "inverted"), [(4095, False), (0, True)])
def test_padding_is_not_averaged_into_the_breast(bright: int, inverted: bool) -> None:
    pixels = np.full((1024, 1024), 1000, np.uint16)
    pixels[:, 511:] = bright
    pixels[0, 0] = 3000 if inverted else 700
    levels = pyramid(pixels, Shown(padding=(bright, bright), inverted=inverted))
    np.testing.assert_array_equal(levels[0], pixels)
    beside = levels[1][100, 255]
    assert beside == (2000 if inverted else 850), "half breast, half the darkest value of the picture"
    assert (levels[1][:, 256:] == bright).all() and len(levels) == 3
