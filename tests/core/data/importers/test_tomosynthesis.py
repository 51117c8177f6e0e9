"""A tomosynthesis is one image of many slices; a lesion lies on one of them and is trained on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan
from core.data.importers.outcomes import ImportReport
from core.data.importers.plan import ImportPlan, PlannedImage, PlannedLesion
from core.data.roi_set import InputTransform
from core.data.training_set import RoiRequest, build_roi_set, roi_of_lesion
from core.domain.content import content_sha256, frames_sha256
from core.domain.geometry import Box
from core.domain.shapes import Rectangle
from core.domain.study import Labels, Window
from core.domain.vocabulary import Laterality, MarginType, ViewPosition
from core.imaging.worker import DecodeWorker
from core.imaging.write_dicom import MammogramHeader
from core.imaging.write_tomosynthesis import write_tomosynthesis
from core.phantom.config import PhantomConfig
from core.phantom.records import read_annotations
from core.phantom.source import write_study_source
from core.store.check import check_study
from core.store.study import Study

CONFIG = PhantomConfig(patients=2, slices=6, height=500, width=420, diameter_mm=(9.0, 14.0), seed=5)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "source"
    write_study_source(folder, CONFIG, workers=1)
    return folder


@pytest.fixture(scope="module")
def study(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    with Study.create(tmp_path_factory.mktemp("studies") / "tomo", name="tomo", synthetic=True) as made:
        report = run_import(made, make_plan(source))
        assert (report.images, report.lesions) == (4, 4)
        yield made


def test_every_slice_of_a_phantom_is_in_the_study(study: Study, source: Path) -> None:
    truth = read_annotations(source / "annotations.json")
    images = study.images.all()
    assert all(image.frames == 6 and image.synthetic for image in images)
    assert [lesion.frame for lesion in study.lesions.all()] == [record.frame for record in truth.lesions]
    with DecodeWorker() as worker:
        file = source / truth.lesions[0].image
        for k in (0, 3, 5):
            pixels = worker.read(file, frame=k).pixels
            np.testing.assert_array_equal(study.arrays.read_pixels(images[0].id, frame=k), pixels)
    assert check_study(study).good


def test_the_mass_is_sharpest_in_the_slice_that_the_truth_names(study: Study) -> None:
    for lesion in study.lesions.all():
        box = lesion.box
        rows, columns = slice(int(box.y0), int(box.y1)), slice(int(box.x0), int(box.x1))
        cuts = [study.arrays.read_pixels(lesion.image_id, frame=k)[rows, columns].astype(float) for k in range(6)]
        sharpness = [float(np.abs(np.diff(cut, axis=0)).mean()) for cut in cuts]
        assert int(np.argmax(sharpness)) == lesion.frame


def test_training_takes_the_slice_that_the_lesion_lies_on(tmp_path: Path) -> None:
    """Slices of one grey each: what a region of interest shows says where it was cut from."""
    greys = (400, 1600, 3200)
    header = MammogramHeader(
        patient_id="P",
        laterality=Laterality.LEFT,
        view=ViewPosition.CC,
        spacing_mm=0.1,
        windows=(Window(centre=2048, width=4096),),
    )
    write_tomosynthesis(tmp_path / "t.dcm", [np.full((90, 80), grey, np.uint16) for grey in greys], header)
    box, labels = Rectangle(box=Box(x0=20, y0=20, x1=50, y1=50)), Labels(margin=MarginType.SPICULATED)
    lesions = tuple(PlannedLesion(outline=box, labels=labels, frame=frame) for frame in (2, 0, 1, 2))
    found, _ = _imported(tmp_path, PlannedImage(path=tmp_path / "t.dcm", patient="1", lesions=lesions))
    with found:
        request = RoiRequest(transform=InputTransform(input_size=32), class_names=("spiculated",))
        taken = build_roi_set(found, request).rois
        frames = [found.lesions.get(lesion_id).frame for lesion_id in taken.lesion_ids]
        assert frames == [2, 0, 1, 2]
        expected = [round(greys[frame] / 4096 * 255) for frame in frames]
        np.testing.assert_allclose(taken.pixels.mean(axis=(1, 2)), expected, atol=1)
        alone = roi_of_lesion(found, taken.lesion_ids[0], request)
        np.testing.assert_array_equal(alone.pixels[0], taken.pixels[0])


def _tomosynthesis(folder: Path, count: int = 3, *, change: int | None = None) -> Path:
    pixels = [np.random.default_rng(k).integers(0, 4096, (60, 50)).astype(np.uint16) for k in range(count)]
    if change is not None:
        pixels[change][0, 0] ^= 1
    header = MammogramHeader(patient_id="P", laterality=Laterality.LEFT, view=ViewPosition.CC, spacing_mm=0.1)
    path = folder / f"t{count}-{change}.dcm"
    write_tomosynthesis(path, pixels, header)
    return path


def _imported(folder: Path, *images: PlannedImage) -> tuple[Study, ImportReport]:
    study = Study.create(folder / "study", name="s")
    return study, run_import(study, ImportPlan(source="s", images=images))


def test_its_content_hash_is_over_all_slices_and_twins_are_left_out(tmp_path: Path) -> None:
    first, twin = _tomosynthesis(tmp_path), _tomosynthesis(tmp_path, change=2)
    study, report = _imported(
        tmp_path, PlannedImage(path=first, patient="1"), PlannedImage(path=twin, patient="1")
    )
    with study:
        (image,) = study.images.all()
        hashes = [content_sha256(study.arrays.read_pixels(image.id, frame=k)) for k in range(3)]
        assert image.content_sha256 == frames_sha256(hashes)
        assert "first slice is identical" in report.issues[0].sentence
        study.remove_patient(image.patient_id)
        assert study.arrays.pixel_files() == ()


def test_a_lesion_on_a_slice_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    box = Rectangle(box=Box(x0=5, y0=5, x1=20, y1=20))
    lesions = tuple(PlannedLesion(outline=box, frame=frame) for frame in (0, 2, 3))
    study, report = _imported(tmp_path, PlannedImage(path=_tomosynthesis(tmp_path), patient="1", lesions=lesions))
    with study:
        assert [lesion.frame for lesion in study.lesions.all()] == [0, 2]
    assert "slice 4 of an image that has 3" in report.issues[0].sentence


def test_a_slice_that_cannot_be_decoded_leaves_nothing_behind(tmp_path: Path) -> None:
    path = _tomosynthesis(tmp_path)
    data = bytearray(path.read_bytes())
    last = data.rindex(b"\xff\xd8\xff")
    data[last : last + 2] = b"\0\0"
    path.write_bytes(bytes(data))
    study, report = _imported(tmp_path, PlannedImage(path=path, patient="1"))
    with study:
        assert (study.images.count(), study.arrays.pixel_files(), report.images) == (0, (), 0)
    assert "damaged" in report.issues[0].sentence
