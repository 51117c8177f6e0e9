"""A picture that is stored turned hangs as it should; what goes out and comes back is in the stored matrix."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pydicom
import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import make_plan
from core.data.roi import extract_pixels
from core.data.windowing import grey_table, table_index
from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle
from core.domain.turn import Turn
from core.exchange.dicom.export_results import ResultKind, export_results
from core.exchange.dicom.import_results import read_results
from core.exchange.masks.csv_table import export_csv
from core.imaging.raster import rasterise_outline
from core.store.study import Study
from tests.core.imaging.samples import dataset, save

HEIGHT, WIDTH = 120, 90
OUTLINE = Polygon(points=((20.0, 40.0), (44.0, 44.0), (30.0, 62.0)))
FINE = (
    Line(points=((20.0, 40.0), (44.0, 44.0)), width=Length(value=3, unit="px")),
    Ellipse(centre=(30.0, 50.0), radius_x=6, radius_y=3, angle_deg=20),
)
"""In the picture as it hangs, a left CC."""


def hanging() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    tissue = (x / 60) ** 2 + ((y - 50) / 48) ** 2 < 1
    picture = np.where(tissue, 1500 + x + 3 * y, 0).astype(np.uint16)
    return np.where(rasterise_outline(OUTLINE, width=WIDTH, height=HEIGHT) > 0, 3800, picture).astype(np.uint16)


STORED = {"": "A\\R", "M": "P\\R", "F": "A\\L", "MF": "P\\L", "T": "R\\A", "TF": "R\\P"}
"""What was done to the picture before it was stored, and the Patient Orientation that says so."""


def case(folder: Path, done: str, orientation: str) -> Path:
    turn = Turn.of(done)
    pixels = turn.apply(hanging())
    folder.mkdir()
    found = dataset(
        folder,
        PatientOrientation=orientation.split("\\"),
        ImageLaterality="L",
        ViewPosition="CC",
        Rows=pixels.shape[0],
        Columns=pixels.shape[1],
        PixelData=pixels.tobytes(),
    )
    del found.ViewCodeSequence
    for path in folder.iterdir():
        path.unlink()
    save(found, folder / "im.dcm")
    outline, fine = (turn.shape(s, WIDTH, HEIGHT) for s in (OUTLINE, FINE[0]))
    rows = ["image,outline,fine,reader,margin"]
    cells = [json.dumps(json.loads(msgspec.json.encode(v))).replace('"', '""') for v in (outline, [fine])]
    rows.append(f'im.dcm,"{cells[0]}","{cells[1]}",Dr. A,spiculated')
    (folder / "lesions.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize(
    "done", [pytest.param(done, marks=() if done in ("MF", "TF") else pytest.mark.slow) for done in STORED]
)
def test_display_roi_results_and_tables(tmp_path: Path, done: str) -> None:
    place = case(tmp_path / "in", done, STORED[done])
    with Study.create(tmp_path / "study", name="s") as study:
        report = run_import(study, make_plan(place))
        assert report.lesions == 1, report.issues
        (image,), (lesion,) = study.images.all(), study.lesions.all()
        pixels = study.arrays.read_pixels(image.id)
        np.testing.assert_array_equal(pixels, hanging())
        assert Turn.of(image.turn) == Turn.of(done).back and (image.width, image.height) == (WIDTH, HEIGHT)
        np.testing.assert_allclose(lesion.outline.points, OUTLINE.points)  # type: ignore[union-attr]
        square = roi_square_of(lesion.box)
        roi = extract_pixels(table_index(pixels), square, 32, lut=grey_table(image, pixels, "file"))
        assert roi[16, 16] == roi.max(), "the mass is in the middle of its region"
        results_are_in_the_stored_matrix(study, tmp_path, done)
        table_comes_back(study, place, tmp_path)


def roi_square_of(box: Box) -> Box:
    x, y = box.centre
    return Box(x0=x - 16, y0=y - 16, x1=x + 16, y1=y + 16)


def results_are_in_the_stored_matrix(study: Study, folder: Path, done: str) -> None:
    turn = Turn.of(done)
    expected = turn.apply(rasterise_outline(OUTLINE, width=WIDTH, height=HEIGHT))
    for kind in ResultKind:
        export_results(study, folder / "out" / kind.value, kind)
    (seg,) = (folder / "out" / "seg").glob("*.dcm")
    found = pydicom.dcmread(seg)
    assert (found.Rows, found.Columns) == expected.shape
    mask = found.pixel_array[0] if found.pixel_array.ndim == 3 else found.pixel_array
    assert (mask != expected).sum() <= 8, "pixels whose centre lies on an edge may fall to either side"
    for kind in ResultKind:
        read = read_results(study, folder / "out" / kind.value, reader=f"Dr. {kind.value}")
        assert (read.files, read.new_lesions) == (1, 0), (kind, read.issues)
        person = study.readers.find(f"Dr. {kind.value}")
        assert person is not None
        mine = study.readers.find("Dr. A")
        assert mine is not None
        lesion = study.lesions.all()[0].id
        marks = [study.annotations.current(lesion, one.id) for one in (person, mine)]
        boxes = [bounds_of(current.shapes) for current in marks if current is not None]
        assert len(boxes) == 2 and np.abs(np.subtract(*boxes)).max() <= 3


def bounds_of(shapes: tuple[object, ...]) -> tuple[float, float, float, float]:
    from core.domain.shapes import bounds

    boxes = [bounds(shape) for shape in shapes]  # type: ignore[arg-type]
    return (
        min(b.x0 for b in boxes), min(b.y0 for b in boxes), max(b.x1 for b in boxes), max(b.y1 for b in boxes)
    )  # fmt: skip


def table_comes_back(study: Study, place: Path, folder: Path) -> None:
    """The table that we write lies on the file that it came from."""
    export_csv(study, folder / "csv")
    text = (folder / "csv" / "annotations.csv").read_text()
    name = text.splitlines()[1].split(",")[0]
    (place / "lesions.csv").write_text(text.replace(name, "im.dcm"))
    with Study.create(folder / "second", name="s") as second:
        report = run_import(second, make_plan(place))
        assert report.lesions == 1, report.issues
        (lesion,) = second.lesions.all()
        assert isinstance(lesion.outline, Polygon)
        np.testing.assert_allclose(lesion.outline.points, OUTLINE.points, atol=1e-6)


def test_rectangles_keep_their_corners_in_order(tmp_path: Path) -> None:
    box = Rectangle(box=Box(x0=3, y0=5, x1=20, y1=40))
    for code in ("M", "TF", "TMF"):
        turned = Turn.of(code).shape(box, WIDTH, HEIGHT).box
        assert turned.x0 < turned.x1 and turned.y0 < turned.y1
