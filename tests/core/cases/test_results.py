"""The cases of the folder ``results``: what goes out to other programs and what comes back from them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.import_results import read_results
from core.store.identity import IdentityFile, Passphrase
from core.store.study import Study

pytestmark = pytest.mark.shared
MakeStudy = Callable[[str], Study]


@pytest.fixture
def imported(cases: Path, tmp_path: Path) -> Iterator[MakeStudy]:
    """Makes a study of one of the folders of ``results``, with an identity file."""
    studies: list[Study] = []

    def make(name: str) -> Study:
        study = Study.create(tmp_path / "study", name=name, synthetic=False)
        studies.append(study)
        identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
        run_import(study, make_plan(cases / "results" / name), identity=identity)
        return study

    yield make
    for study in studies:
        study.close()


def identity_of(study: Study) -> IdentityFile:
    return IdentityFile.open(study.folder, Passphrase(lambda: "correct horse battery"))


@pytest.fixture
def made(imported: MakeStudy, cases: Path, tmp_path: Path) -> tuple[Study, Path]:
    """The study and the folder of Segmentations that other viewers write."""
    study = imported("folder")
    written = export_results(study, tmp_path / "o", ResultKind.SEG)
    script = cases / "tools" / "make_results.py"
    subprocess.run([sys.executable, script, tmp_path / "o" / written.files[0], tmp_path / "made"], check=True)
    return study, tmp_path / "made"


@pytest.mark.parametrize("kind", list(ResultKind))
def test_charset(imported: MakeStudy, cases: Path, tmp_path: Path, kind: ResultKind) -> None:
    study = imported("charset")
    written = export_results(study, tmp_path / "out", kind, identity=identity_of(study))
    wanted = {
        (str(header.PatientID), str(header.PatientName))
        for header in map(pydicom.dcmread, (cases / "results" / "charset").glob("*.dcm"))
    }
    found = [pydicom.dcmread(tmp_path / "out" / name) for name in written.files]
    assert {(str(header.PatientID), str(header.PatientName)) for header in found} == wanted
    assert {header.SpecificCharacterSet for header in found} == {"ISO_IR 192"}


@pytest.mark.parametrize("kind", [ResultKind.SR, ResultKind.GSPS])
def test_edge(imported: MakeStudy, tmp_path: Path, kind: ResultKind) -> None:
    study = imported("edge")
    [name] = export_results(study, tmp_path / "out", kind).files
    found = [e.value for e in pydicom.dcmread(tmp_path / "out" / name).iterall() if e.keyword == "GraphicData"]
    points = np.concatenate([np.array(one).reshape(-1, 2) for one in found])
    [image] = study.images.all()
    assert points.min() >= 0 and points[:, 0].max() <= image.width and points[:, 1].max() <= image.height


@pytest.mark.parametrize(
    ("name", "lesions", "notes"),
    [
        ("d01_two_segments_no_tracking.dcm", 2, 0),
        ("d05_no_referenced_series.dcm", 1, 0),
        ("d06_two_regions_in_one_segment.dcm", 2, 1),
        ("d11_noext", 1, 0),
    ],
)
def test_made_by_others(made: tuple[Study, Path], name: str, lesions: int, notes: int) -> None:
    study, folder = made
    read = read_results(study, folder / name, reader="A")
    assert (read.new_lesions, len(read.issues)) == (lesions, notes)
