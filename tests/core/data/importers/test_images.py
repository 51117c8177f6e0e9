"""A folder of mammograms without a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan, recognised
from core.domain.errors import BadFileError
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import MammogramHeader, write_mammogram
from core.store.study import Study


def grey(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (64, 48)).astype(np.uint8)


def test_dicom_files_say_whose_they_are_and_other_files_are_patients_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "mammograms" / "deep"
    folder.mkdir(parents=True)
    for number in range(2):
        header = MammogramHeader(
            patient_id="MRN-1",
            laterality=Laterality.LEFT,
            view=ViewPosition.CC,
            spacing_mm=0.1,
            instance_number=number + 1,
            synthetic=True,
        )
        write_mammogram(folder / f"{number}.dcm", grey(number).astype(np.uint16), header)
    Pillow.fromarray(grey(7)).save(folder / "scan.png")
    assert recognised(tmp_path / "mammograms") == "images"
    plan = make_plan(tmp_path / "mammograms")
    assert len(plan.images) == 3
    with Study.create(tmp_path / "study", name="s") as study:
        report = run_import(study, plan)
        assert (report.images, report.patients, report.lesions) == (3, 2, 0)
        assert any("treated as a separate patient" in issue.sentence for issue in report.issues)
        assert not any("MRN-1" in patient.pseudonym for patient in study.patients.all())


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(BadFileError, match="neither images nor a table"):
        make_plan(tmp_path)


@pytest.mark.shared
def test_the_real_dicom_folder_opens_with_windows_and_one_refusal(real_mammograms: Path, tmp_path: Path) -> None:
    with Study.create(tmp_path / "study", name="s") as study:
        report = run_import(study, make_plan(real_mammograms / "dicom"))
        assert report.images == 2
        assert sorted(len(image.windows) for image in study.images.all())[-1] == 3
        [refused] = [issue for issue in report.issues if "GH1376" in issue.sentence]
        assert "CT image" in refused.sentence
