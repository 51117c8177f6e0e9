"""Shapes that reach beyond their image, and names beyond ASCII, in what goes out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pydicom
import pytest

from core.data.importers.coco_document import read_coco
from core.domain.geometry import Box
from core.domain.shapes import Length, Line, Polygon, Rectangle, Shape, Stroke, circle
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.import_results import read_results
from core.exchange.masks.clipping import clipped, clipped_ring
from core.exchange.masks.coco import export_coco
from core.imaging.raster import rasterise
from core.store.identity import IdentityFile, ImageLink, Passphrase, PatientLink
from core.store.study import Study

WIDTH, HEIGHT = 200, 150
IMAGE = Box(x0=0, y0=0, x1=WIDTH, y1=HEIGHT)
PEN = Length(value=3.0, unit="px")
pytestmark = pytest.mark.usefixtures("one_child")
BEYOND: tuple[Shape, ...] = (
    circle((2.0, 70.0), 9.0),
    circle((198.0, 148.0), 9.0),
    Rectangle(box=Box(x0=-20, y0=-30, x1=40, y1=15)),
    Polygon(points=((150.0, 100.0), (260.0, 120.0), (150.0, 190.0), (170.0, 130.0))),
    # cut into two parts by the edge
    Polygon(points=((190.0, 10.0), (230.0, 10.0), (230.0, 60.0), (190.0, 60.0), (190.0, 50.0), (215.0, 50.0),
                    (215.0, 20.0), (190.0, 20.0))),
)  # fmt: skip


def mask(shapes: tuple[Shape, ...]) -> np.ndarray:
    return rasterise(shapes, width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize("shape", BEYOND)
def test_what_is_cut_off_is_what_lay_outside(shape: Shape) -> None:
    parts = clipped(shape, IMAGE)
    for part in parts:
        assert isinstance(part, Polygon | Rectangle)
        points = part.points if isinstance(part, Polygon) else part.box.corners()
        assert all(map(IMAGE.contains, points))
    assert (mask(parts) != mask((shape,))).sum() <= 2  # a circle becomes a polygon of 64 corners
    assert mask(parts).any()


def test_lines_are_cut_into_the_stretches_inside() -> None:
    line = Line(points=((-10.0, 20.0), (50.0, 20.0), (50.0, -20.0), (90.0, -20.0), (90.0, 40.0)), width=PEN)
    assert [part.points for part in clipped(line, IMAGE)] == [
        ((0.0, 20.0), (50.0, 20.0), (50.0, 0.0)),
        ((90.0, 0.0), (90.0, 40.0)),
    ]
    stroke = Stroke(points=((-10.0, 20.0), (10.0, 20.0)), widths=(2.0, 6.0))
    assert clipped(stroke, IMAGE) == (Stroke(points=((0.0, 20.0), (10.0, 20.0)), widths=(4.0, 6.0)),)


@pytest.mark.parametrize(
    "shape", [circle((100.0, 70.0), 25.0), Line(points=((0.0, 0.0), (200.0, 150.0)), width=PEN)]
)
def test_a_shape_inside_stays_itself(shape: Shape) -> None:
    assert clipped(shape, IMAGE) == (shape,)


@pytest.mark.parametrize(
    "shape",
    [circle((-30.0, 20.0), 9.0), Line(points=((-5.0, -5.0), (300.0, -5.0)), width=PEN),
     Polygon(points=((-9.0, 0.0), (0.0, 5.0), (-9.0, 9.0)))],
)  # fmt: skip
def test_nothing_is_left_of_a_shape_outside(shape: Shape) -> None:
    assert clipped(shape, IMAGE) == ()
    assert clipped_ring((), IMAGE) == ()


@pytest.fixture
def at_the_edge(study: Study) -> Study:
    """The first lesion reaches beyond the left edge, with its annotation."""
    lesion, reader = study.lesions.get("l0"), study.readers.ensure("Dr. A")
    study.lesions.set_outline("l0", circle((10.0, 70.0), 30.0))
    fine = (circle((2.0, 70.0), 9.0), Line(points=((0.5, 50.0), (-0.4, 60.0), (3.0, 90.0)), width=PEN))
    study.annotations.commit(lesion.id, reader.id, fine)
    return study


def coordinates(path: Path) -> np.ndarray:
    found = [e.value for e in pydicom.dcmread(path).iterall() if e.keyword == "GraphicData"]
    return np.concatenate([np.array(one).reshape(-1, 2) for one in found])


@pytest.mark.parametrize("kind", [ResultKind.SR, ResultKind.GSPS])
def test_no_coordinate_lies_outside_the_image_and_nothing_new_comes_back(
    at_the_edge: Study, tmp_path: Path, kind: ResultKind
) -> None:
    written = export_results(at_the_edge, tmp_path / "out", kind)
    assert len(written.files) == 4 and written.left_out == ()
    for name in written.files:
        points = coordinates(tmp_path / "out" / name)
        assert points.min() >= 0 and points[:, 0].max() <= WIDTH and points[:, 1].max() <= HEIGHT
    before = at_the_edge.annotations.current("l0", at_the_edge.readers.ensure("Dr. A").id)
    assert read_results(at_the_edge, tmp_path / "out", reader="Dr. A").new_lesions == 0
    after = at_the_edge.annotations.current("l0", at_the_edge.readers.ensure("Dr. A").id)
    assert before == after  # whole, also beyond the edge


def test_coco_is_cut_and_keeps_the_shapes_whole_beside(at_the_edge: Study, tmp_path: Path) -> None:
    export_coco(at_the_edge, tmp_path / "out")
    outline, fine = read_coco(tmp_path / "out" / "annotations.json").annotations[:2]
    for annotation in (outline, fine):
        assert isinstance(annotation.segmentation, tuple)
        points = np.array([v for ring in annotation.segmentation for v in ring]).reshape(-1, 2)
        assert points.min() >= 0 and points[:, 0].max() <= WIDTH and points[:, 1].max() <= HEIGHT
    assert outline.shapes() == (circle((10.0, 70.0), 30.0),)


def test_a_lesion_that_a_format_cannot_draw_is_named_and_the_rest_is_written(study: Study, tmp_path: Path) -> None:
    study.lesions.set_outline("l2", Polygon(points=((300.0, 10.0), (310.0, 10.0), (310.0, 20.0))))
    for kind in ResultKind:
        written = export_results(study, tmp_path / kind.value, kind)
        assert (len(written.files), written.lesions) == (3, 3)
        assert ["encloses nothing" in sentence for sentence in written.left_out] == [True]


@pytest.mark.parametrize(
    ("name", "identifier"),
    [("Жуков^Ы", "ID-Ż2"), ("Wang^XiaoDong=王^小東=", "王-7"), ("Müller^Jürgen", "Ä 1")],
)
def test_names_and_identifiers_keep_every_character(
    study: Study, tmp_path: Path, name: str, identifier: str
) -> None:
    identity = IdentityFile.create(study.folder, Passphrase(lambda: "correct horse battery"))
    for number, image in enumerate(study.images.all()):
        patient = study.patients.get(image.patient_id)
        own = f"{identifier}{number}"
        identity.add_patient(PatientLink(pseudonym=patient.pseudonym, source="ward", identifier=own))
        uids = {f"{key}_uid": f"1.2.826.0.1.{number}.{k}" for k, key in enumerate(("study", "series", "sop"))}
        identity.add_image(ImageLink(image_id=image.id, patient_id=own, patient_name=name, **uids))
    for kind in ResultKind:
        written = export_results(study, tmp_path / kind.value, kind, identity=identity)
        for number, file in enumerate(written.files):
            found = pydicom.dcmread(tmp_path / kind.value / file)
            assert found.SpecificCharacterSet == "ISO_IR 192"
            assert (found.PatientID, str(found.PatientName)) == (f"{identifier}{number}", name.rstrip("="))


def test_a_long_name_is_not_cut() -> None:
    from core.imaging.formats.dicom_header import Attributes, identity

    header = pydicom.Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName = f"{'A' * 60}^B={'王' * 30}^東"
    assert identity(Attributes(header)).name == str(header.PatientName)
    assert msgspec.structs.asdict(identity(Attributes(header)))["patient_id"] == ""


@pytest.mark.parametrize("turn", ["M", "TF"])
@pytest.mark.parametrize("kind", list(ResultKind))
def test_results_of_a_picture_that_hangs_turned_come_back_to_their_place(
    study: Study, tmp_path: Path, turn: str, kind: ResultKind
) -> None:
    """They go out in the matrix of the file, and are known again in the picture."""
    study.images.update(msgspec.structs.replace(study.images.get("00000000-abcdef"), turn=turn))
    lesion = study.lesions.get("l0")
    export_results(study, tmp_path / "out", kind)
    study.lesions.remove("l0")
    assert read_results(study, tmp_path / "out", reader="Dr. B").new_lesions == 1
    [back] = study.lesions.of_image("00000000-abcdef")
    assert (mask((back.outline,)) != mask((lesion.outline,))).sum() == 0
