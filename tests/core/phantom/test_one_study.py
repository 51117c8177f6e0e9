"""One phantom seed is one study on every machine, though pixels may differ there by a grey level."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec
import pydicom
import pytest
from pydicom.uid import generate_uid

from core.data.importers.folder import DEFAULT_TABLE, read_folder
from core.data.importers.importing import run_import
from core.data.importers.pending import stable_id
from core.data.split import SplitRow, split_patients
from core.domain.vocabulary import Part
from core.phantom.config import PhantomConfig, patient_id
from core.phantom.labels import draw_case
from core.phantom.source import study_key, write_study_source
from core.store.study import Study
from core.tasks.runs.splits import class_names_of, make_split
from core.tasks.studies.demo import FRACTIONS

CONFIG = PhantomConfig(patients=12, seed=6, height=450, width=450)
DEMO = PhantomConfig(patients=330, seed=2026)
DEMO_SPLIT = "0b3d1d5f6d131c8fc37b0ba00d2e62d50ac58d1bcb23da25d41475e421078e40"
"""SHA-256 of the demo's split: every machine divides the demo's patients like this."""


def _ids_of(config: PhantomConfig) -> list[str]:
    """The study's patient ids from the phantom's own numbers, as the importer makes them; no image is computed."""
    found = []
    for index in range(config.patients):
        side = draw_case(config, index).laterality.value
        study = generate_uid(entropy_srcs=["study", patient_id(config, index), study_key(config)])
        found.append(stable_id("patient", stable_id("synthetic image", study, side, "CC", "1")))
    return found


def _digest(parts: dict[str, Part]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted((p, part.value) for p, part in parts.items()))).hexdigest()


def _imported(folder: Path, source: Path) -> tuple[list[str], dict[str, Part], list[str]]:
    """Ids of patients, images and lesions; the split; the hashes of the pixels."""
    with Study.create(folder, name="phantom", synthetic=True) as study:
        run_import(study, read_folder(source, source / DEFAULT_TABLE, source="phantom"))
        split, _ = make_split(study, name="s", label="margin", fractions=(0.5, 0.25, 0.25), seed=3)
        images, lesions = study.images.all(), study.lesions.all()
        ids = sorted([*(p.id for p in study.patients.all()), *(i.id for i in images), *(x.id for x in lesions)])
        return ids, dict(split.parts), sorted(image.content_sha256 for image in images)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_study_source(tmp_path_factory.mktemp("phantom") / "source", CONFIG, workers=1).parent


def test_ids_and_split_do_not_depend_on_a_grey_level(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(source, other)
    for path in sorted((other / "images").iterdir())[::3]:
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array.copy()
        pixels[200, 200] += 1
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(path)
    ids, parts, content = _imported(tmp_path / "here", source)
    again, parts_again, other_content = _imported(tmp_path / "there", other)
    assert ids == again and parts == parts_again
    assert len(set(content) - set(other_content)) == 8
    assert sorted(parts) == sorted(_ids_of(CONFIG))


def test_the_demos_split_is_the_same_everywhere() -> None:
    rows = [
        SplitRow(patient_id=patient, class_name=draw_case(DEMO, index).margin.value)
        for index, patient in enumerate(_ids_of(DEMO))
    ]
    parts = split_patients(rows, class_names_of("margin"), fractions=FRACTIONS, seed=DEMO.seed)
    assert _digest(parts) == DEMO_SPLIT


def test_two_configurations_of_one_seed_are_two_studies() -> None:
    other = msgspec.structs.replace(CONFIG, contrast=(300.0, 700.0))
    assert not set(_ids_of(CONFIG)) & set(_ids_of(other))
