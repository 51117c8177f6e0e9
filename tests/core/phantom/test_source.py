"""The files of a synthetic study: valid, labelled synthetic, whole or absent."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pydicom
import pytest

from core.data.importers.folder import COLUMNS
from core.domain.errors import BadFileError, Cancelled, StudyError
from core.domain.events import Event, Progress
from core.domain.shapes import Polygon, decode_shapes
from core.phantom.config import PhantomConfig
from core.phantom.patient import make_patient
from core.phantom.records import read_annotations
from core.phantom.source import write_study_source

CONFIG = PhantomConfig(patients=3, seed=6, test_patients=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("phantom") / "source"
    assert write_study_source(place, CONFIG, workers=1) == place / "lesions.csv"
    return place


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "lesions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_the_importers_columns_and_a_row_for_every_view(folder: Path) -> None:
    rows = _rows(folder)
    assert len(rows) == 6
    assert tuple(rows[0]) == COLUMNS
    patient = make_patient(CONFIG, 0)
    assert rows[0]["patient_id"] == patient.patient_id
    assert rows[0]["margin"] == str(patient.labels.margin)
    assert decode_shapes(rows[1]["fine"]) == patient.views[1].fine
    (outline,) = decode_shapes(rows[1]["outline"])
    assert outline == patient.views[1].outline
    assert rows[0]["finding"] == rows[1]["finding"]


def test_images_are_12_bit_mammograms_for_presentation_and_say_that_they_are_synthetic(folder: Path) -> None:
    for row in _rows(folder):
        dataset = pydicom.dcmread(folder / row["image"])
        assert dataset.SOPClassUID.name == "Digital Mammography X-Ray Image Storage - For Presentation"
        assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (16, 12, 11)
        assert dataset.ImageType[3] == "SYNTHETIC"
        assert dataset.Manufacturer == "SYNTHETIC PHANTOM"
        assert dataset.SeriesDescription == "SYNTHETIC"
        assert "SYNTHETIC" in dataset.ImageComments
        assert dataset.PatientID.startswith("SYN-")
        assert (dataset.ImageLaterality, dataset.ViewPosition) == (row["laterality"], row["view"])
    assert np.array_equal(dataset.pixel_array, make_patient(CONFIG, 2).views[1].pixels)


def test_annotations_hold_outline_shapes_and_what_was_drawn(folder: Path) -> None:
    document = read_annotations(folder / "annotations.json")
    assert document.synthetic
    assert document.config == CONFIG
    assert [record.part.value for record in document.lesions] == ["training"] * 4 + ["test"] * 2
    view = make_patient(CONFIG, 1).views[0]
    assert document.lesions[2].shapes == view.fine
    assert isinstance(document.lesions[2].outline, Polygon)
    assert document.lesions[2].truth == view.truth
    assert "SYNTHETIC" in (folder / "README.txt").read_text()
    assert (folder / "parts.csv").read_text().splitlines()[-1] == "SYN-6-00002,test"


def test_two_processes_write_the_same_bytes_as_one(folder: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    write_study_source(tmp_path / "two", CONFIG, workers=2, emit=events.append)
    written = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert written == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*") if p.is_file())
    assert all((folder / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in written)
    assert [e.done for e in events if isinstance(e, Progress)] == [1, 2, 3]


def test_cancelling_leaves_nothing_behind(tmp_path: Path) -> None:
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        write_study_source(tmp_path / "gone", CONFIG, workers=1, emit=seen.append, cancelled=lambda: len(seen) > 0)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(StudyError, match="not empty"):
        write_study_source(tmp_path, CONFIG)


def test_a_broken_annotation_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "annotations.json").write_text("{")
    with pytest.raises(BadFileError, match=r"annotations\.json"):
        read_annotations(tmp_path / "annotations.json")
