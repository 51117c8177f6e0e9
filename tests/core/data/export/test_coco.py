from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.importers.coco_document import CocoAnnotation, Rle, mask_of_rle, read_coco, run_lengths
from core.domain.errors import BadFileError
from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, Shape, Stroke, circle
from core.domain.vocabulary import DISCLAIMER
from core.exchange.collect import collect
from core.exchange.masks.coco import export_coco
from core.exchange.masks.png import fine_mask, lesion_mask
from core.exchange.masks.polygons import polygons_of
from core.imaging.raster import rasterise
from core.store.study import Study
from tests.core.data.export.conftest import CANARY, FINE, OUTLINES


def test_shapes_come_back_as_what_they_were(study: Study, tmp_path: Path) -> None:
    assert export_coco(study, tmp_path / "out") == 4
    document = read_coco(tmp_path / "out" / "annotations.json")
    outlines = [a.shapes() for a in document.annotations if a.marginalia and a.marginalia.kind == "outline"]
    fine = [a.shapes() for a in document.annotations if a.marginalia and a.marginalia.kind == "fine"]
    assert outlines == [(outline,) for outline in OUTLINES]
    assert fine == [shapes for shapes in FINE if shapes]


def filled(rings: tuple[tuple[float, ...], ...], width: int = 200, height: int = 150) -> np.ndarray:
    polygons = [Polygon(points=tuple(zip(r[0::2], r[1::2], strict=True))) for r in rings]
    return rasterise(polygons, width=width, height=height)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_any_coco_reader_sees_the_marked_area(study: Study, tmp_path: Path) -> None:
    export_coco(study, tmp_path / "out")
    document = read_coco(tmp_path / "out" / "annotations.json")
    items = {item.name: item for item in collect(study)}
    names = {category.id: category.name for category in document.categories}
    for annotation in document.annotations:
        assert annotation.marginalia is not None
        item = items[annotation.marginalia.lesion]
        outline = annotation.marginalia.kind == "outline"
        mask = lesion_mask(item) if outline else fine_mask(item)
        if isinstance(annotation.segmentation, Rle):
            assert not outline
            np.testing.assert_array_equal(mask_of_rle(annotation.segmentation), mask)
        else:
            assert overlap(filled(annotation.segmentation), mask) > 0.97
        rows, columns = np.nonzero(mask)
        assert annotation.area == mask.sum()
        assert annotation.bbox[:2] == (columns.min(), rows.min())
        assert annotation.bbox[2:] == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert names[annotation.category_id].startswith("mass, " if outline else "fine")


def test_it_is_plain_coco_with_pseudonyms_and_disclaimer(study: Study, tmp_path: Path) -> None:
    export_coco(study, tmp_path / "out")
    text = (tmp_path / "out" / "annotations.json").read_text("utf-8")
    document = json.loads(text)
    assert {"info", "images", "annotations", "categories"} == set(document)
    assert document["info"]["disclaimer"] == DISCLAIMER and document["info"]["synthetic"] is True
    assert document["images"][0]["file_name"] == "P000_LCC_00000000.png"
    assert CANARY not in text and "1987" not in text
    assert DISCLAIMER in (tmp_path / "out" / "README.txt").read_text("utf-8")


def test_of_a_foreign_file_the_polygons_are_the_shapes(tmp_path: Path) -> None:
    path = tmp_path / "foreign.json"
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "area": 8}
    annotation["segmentation"] = [[0, 0, 4, 0, 4, 4]]
    categories = [{"id": 1, "name": "x"}]
    image = {"id": 1, "file_name": "a.png", "width": 9, "height": 9, "license": 3}
    path.write_text(json.dumps({"images": [image], "annotations": [annotation], "categories": categories}))
    assert read_coco(path).annotations[0].shapes() == (Polygon(points=((0.0, 0.0), (4.0, 0.0), (4.0, 4.0))),)


@pytest.mark.parametrize("content", ["", "[]", '{"images": 3}', "\x00"])
def test_what_is_no_coco_document_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(BadFileError, match=r"x\.json is not a COCO document"):
        read_coco(tmp_path / "x.json")
    with pytest.raises(BadFileError):
        read_coco(tmp_path / "missing.json")


def test_run_lengths_go_down_the_columns_and_begin_unmarked() -> None:
    assert run_lengths(np.array([[0, 1], [1, 1]], np.uint8)).counts == (1, 3)
    assert run_lengths(np.array([[1, 0], [1, 0]], np.uint8)).counts == (0, 2, 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), height=st.integers(1, 9), width=st.integers(1, 9))
def test_run_lengths_lose_nothing(seed: int, height: int, width: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 2, (height, width)).astype(np.uint8)
    np.testing.assert_array_equal(mask_of_rle(run_lengths(mask)), mask)


def packed(counts: tuple[int, ...]) -> str:
    """Run lengths as pycocotools writes them (``rleToString``)."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr((bits | 0x20 if more else bits) + 48)
    return text


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), height=st.integers(1, 90), width=st.integers(1, 90), share=st.floats(0, 1))
def test_packed_run_lengths_lose_nothing_and_are_shapes(seed: int, height: int, width: int, share: float) -> None:
    mask = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    plain = run_lengths(mask)
    assert not isinstance(plain.counts, str)
    rle = Rle(counts=packed(plain.counts), size=plain.size)
    np.testing.assert_array_equal(mask_of_rle(rle), mask)


def test_a_foreign_bitmap_is_shapes_that_make_it_again() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:30, 10:50] = 1
    mask[12:18, 20:30] = 0  # a hole
    mask[33:38, 2:9] = 1  # and a second region
    plain = run_lengths(mask)
    assert not isinstance(plain.counts, str)
    for counts in (plain.counts, packed(plain.counts)):
        one = CocoAnnotation(
            id=1,
            image_id=1,
            category_id=1,
            segmentation=Rle(counts=counts, size=(40, 60)),
            bbox=(0, 0, 1, 1),
            area=1,
        )
        np.testing.assert_array_equal(rasterise(one.shapes(), width=60, height=40), mask)


@pytest.mark.parametrize("text", ["é", "\x1f", "P", "PPPPPPPPPPPP1", "4\x7f"])
def test_text_that_is_no_packed_bitmap_is_refused(text: str) -> None:
    with pytest.raises(BadFileError, match="COCO"):
        mask_of_rle(Rle(counts=text, size=(2, 2)))


def test_runs_that_do_not_fill_the_image_are_refused() -> None:
    for rle in [Rle(counts=(3,), size=(2, 2)), Rle(counts=(4,), size=(1 << 20, 1 << 20))]:
        with pytest.raises(BadFileError, match="size that it declares"):
            mask_of_rle(rle)


@pytest.mark.parametrize(
    "shape",
    [
        Rectangle(box=Box(x0=20.3, y0=30.7, x1=90.1, y1=80.2)),
        circle((70.2, 60.4), 25.0),
        Ellipse(centre=(70.0, 60.0), radius_x=40.0, radius_y=15.0, angle_deg=-35.0),
        Line(points=((20.0, 20.0), (80.0, 30.0), (60.0, 90.0), (60.0, 90.0)), width=Length(value=8.0, unit="px")),
        Line(points=((20.0, 20.0), (80.0, 30.0)), width=Length(value=0.8, unit="mm")),
        Line(points=((50.0, 50.0),), width=Length(value=12.0, unit="px")),
        Stroke(points=((30.0, 30.0), (90.0, 60.0), (95.0, 62.0)), widths=(4.0, 20.0, 6.0)),
    ],
)
def test_the_union_of_the_polygons_is_the_shape(shape: Shape) -> None:
    rings = polygons_of(shape, 0.1)
    union = rasterise([Polygon(points=ring) for ring in rings], width=140, height=120)
    assert overlap(union, rasterise([shape], width=140, height=120, spacing_mm=0.1)) > 0.98


def test_an_open_line_is_not_closed() -> None:
    horseshoe = Line(
        points=((20.0, 90.0), (20.0, 20.0), (90.0, 20.0), (90.0, 90.0)), width=Length(value=4, unit="px")
    )
    union = rasterise([Polygon(points=ring) for ring in polygons_of(horseshoe)], width=120, height=120)
    assert union[55, 55] == 0 and union[90, 55] == 0


def test_a_polygon_without_area_has_no_rings() -> None:
    assert polygons_of(Polygon(points=((0.0, 0.0), (1.0, 1.0)))) == ()
