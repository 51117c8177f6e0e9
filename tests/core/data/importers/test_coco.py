"""Images with a COCO document, as CVAT, Label Studio, Roboflow and this program write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.importers.coco_document import run_lengths
from core.data.importers.importing import run_import
from core.data.importers.layouts import COCO, IMAGES, PlanOptions, make_plan, recognised
from core.data.importers.plan import ImportPlan, PlannedLesion
from core.domain.errors import BadFileError, BadTableError
from core.domain.geometry import Box
from core.domain.shapes import Polygon, Rectangle
from core.domain.vocabulary import MarginType, Pathology
from core.exchange.masks.coco import export_coco
from core.imaging.raster import rasterise
from core.store.study import Study
from tests.core.data.export.conftest import study
from tests.core.imaging.samples import png

__all__ = ["study"]
TRIANGLE = [10.0, 10.0, 40.0, 10.0, 40.0, 30.0]


def document(
    *annotations: dict[str, Any], categories: tuple[str, ...] = ("mass",), **image: Any
) -> dict[str, Any]:
    one = {"id": 1, "file_name": "im0.png", "width": 60, "height": 50} | image
    return {
        "info": {"year": 2024, "contributor": None},
        "licenses": [],
        "images": [one],
        "annotations": [
            {"id": k + 1, "image_id": one["id"], "category_id": 1} | a for k, a in enumerate(annotations)
        ],
        "categories": [{"id": k + 1, "name": name, "supercategory": None} for k, name in enumerate(categories)],
    }


def placed(
    folder: Path, content: dict[str, Any], *, name: str = "annotations.json", image: str = "im0.png"
) -> Path:
    for path in (folder / name, folder / image):
        path.parent.mkdir(parents=True, exist_ok=True)
    (folder / image).write_bytes(png(np.tile(np.arange(60, dtype=np.uint8), (50, 1))))
    (folder / name).write_text(json.dumps(content))
    return folder


def lesions(plan: ImportPlan) -> tuple[PlannedLesion, ...]:
    (image,) = plan.images
    return image.lesions


@pytest.mark.parametrize(
    "name", ["annotations.json", "_annotations.coco.json", "annotations/instances_default.json"]
)
@pytest.mark.parametrize("image", ["im0.png", "images/im0.png", "images/default/im0.png"])
def test_polygons_of_other_programs(tmp_path: Path, name: str, image: str) -> None:
    folder = placed(
        tmp_path, document({"segmentation": [TRIANGLE], "area": 300, "iscrowd": 0}), name=name, image=image
    )
    assert recognised(folder) == COCO
    (lesion,) = lesions(make_plan(folder))
    assert lesion.outline == Polygon(points=((10, 10), (40, 10), (40, 30)))


@pytest.mark.parametrize("written", ["C:\\data\\im0.png", "upload/1/im0.png", "im0.PNG"])
def test_paths_of_other_computers(tmp_path: Path, written: str) -> None:
    content = document({"segmentation": [TRIANGLE]}, file_name=written)
    assert len(lesions(make_plan(placed(tmp_path, content)))) == 1


def test_a_box_alone(tmp_path: Path) -> None:
    for number, segmentation in enumerate(({}, {"segmentation": []}, {"segmentation": None})):
        folder = placed(tmp_path / str(number), document({"bbox": [5, 6, 20, 10]} | segmentation))
        (lesion,) = lesions(make_plan(folder))
        assert lesion.outline == Rectangle(box=Box(x0=5, y0=6, x1=25, y1=16))


def test_a_bitmap_comes_back_to_the_bit(tmp_path: Path) -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[10:30, 10:40], mask[15:20, 15:20], mask[45, 55] = 1, 0, 1
    rle = run_lengths(mask)
    content = document({"segmentation": {"counts": list(rle.counts), "size": list(rle.size)}, "iscrowd": 1})
    (lesion,) = lesions(make_plan(placed(tmp_path, content)))
    mask[45, 55] = 0  # dust
    np.testing.assert_array_equal(rasterise([lesion.outline], width=60, height=50), mask)


def test_several_regions_are_lesions_of_one_finding(tmp_path: Path) -> None:
    content = document({"segmentation": [TRIANGLE, [1.0, 1.0, 5.0, 1.0, 5.0, 5.0]]})
    plan = make_plan(placed(tmp_path, content))
    assert {lesion.finding for lesion in lesions(plan)} == {"COCO 1"} and len(lesions(plan)) == 2
    assert any("2 regions" in issue.sentence for issue in plan.issues)


def test_words_become_labels_and_two_words_none(tmp_path: Path) -> None:
    content = document(
        {
            "bbox": [1, 1, 9, 9],
            "attributes": {"Margin": "Spiculated", "occluded": False, "pathology": "malignant"},
        },
        {"bbox": [1, 1, 8, 8], "attributes": {"margin": "ill-defined"}},
        {"bbox": [1, 1, 7, 7], "attributes": {"a": "indistinct", "b": "spiculated"}},
        {"bbox": [1, 1, 6, 6], "category_id": 2},
        categories=("mass", "mass, circumscribed"),
    )
    labels = [lesion.labels for lesion in lesions(make_plan(placed(tmp_path, content)))]
    assert [label.margin for label in labels] == [
        MarginType.SPICULATED,
        MarginType.INDISTINCT,
        None,
        MarginType.CIRCUMSCRIBED,
    ]
    assert labels[0].pathology is Pathology.MALIGNANT


def test_what_is_no_mass_is_left_out_and_counted(tmp_path: Path) -> None:
    one = {"bbox": [1, 1, 9, 9]}
    content = document(
        one, one | {"category_id": 2}, one | {"category_id": 2}, categories=("Mass", "calcification")
    )
    plan = make_plan(placed(tmp_path, content))
    assert len(lesions(plan)) == 1
    assert any("'calcification' are left out (2)" in issue.sentence for issue in plan.issues)


def test_one_category_of_any_name_is_the_mass(tmp_path: Path) -> None:
    assert len(lesions(make_plan(placed(tmp_path, document({"bbox": [1, 1, 9, 9]}, categories=("1",)))))) == 1


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ({"bbox": [1, 1, 0, 9]}, "encloses nothing"),
        ({}, "neither a polygon nor a box"),
        ({"segmentation": [[1, 1, 2, 2, 3]]}, "odd number"),
        ({"segmentation": [[1, 1, 2, 2]]}, "fewer than three"),
        ({"segmentation": [[0, 0, 9, 9, 9, 0, 0, 9]]}, "crosses itself"),
        ({"segmentation": {"counts": [1, 2], "size": [50, 60]}}, "size that it declares"),
        ({"segmentation": {"counts": [9], "size": [3, 3]}}, "another size than its image"),
        ({"bbox": [1, 1, 9, 1e30]}, "coordinate"),
        ({"bbox": [1, 1, 9, 9], "image_id": 77}, "does not name"),
    ],
)
def test_a_wrong_annotation_is_named_and_can_be_skipped(
    tmp_path: Path, annotation: dict[str, Any], words: str
) -> None:
    folder = placed(tmp_path, document(annotation, {"bbox": [1, 1, 9, 9]}))
    with pytest.raises(BadTableError, match=f"annotation 1: .*{words}"):
        make_plan(folder)
    assert len(lesions(make_plan(folder, PlanOptions(skip_bad_rows=True)))) == 1


def test_a_document_without_its_images_says_so(tmp_path: Path) -> None:
    folder = placed(tmp_path, document({"bbox": [1, 1, 9, 9]}, file_name="other.png"))
    with pytest.raises(BadFileError, match=r"No image that the COCO document names \(1\).*other\.png"):
        make_plan(folder)


@pytest.mark.parametrize("content", ["[1]", '{"version": "4.5", "shapes": []}', "text"])
def test_a_file_of_that_name_that_is_something_else_is_no_layout(tmp_path: Path, content: str) -> None:
    folder = placed(tmp_path, {})
    (folder / "annotations.json").write_text(content)
    assert recognised(folder) == IMAGES


def test_a_document_of_any_name_is_given_by_hand(tmp_path: Path) -> None:
    folder = placed(tmp_path, document({"bbox": [1, 1, 9, 9]}), name="mine.json")
    assert len(lesions(make_plan(folder, PlanOptions(table=folder / "mine.json")))) == 1


def test_an_outline_drawn_on_a_smaller_copy_is_scaled(tmp_path: Path) -> None:
    folder = placed(tmp_path / "in", document({"bbox": [5, 5, 10, 10]}, width=30, height=25))
    with Study.create(tmp_path / "study", name="s") as made:
        run_import(made, make_plan(folder))
        (lesion,) = made.lesions.all()
    assert lesion.outline == Rectangle(box=Box(x0=10, y0=10, x1=30, y1=30))


def test_our_own_export_comes_back_with_its_fine_annotations(study: Study, tmp_path: Path) -> None:
    export_coco(study, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "annotations.json").read_text("utf-8"))
    for number, image in enumerate(content["images"]):
        pixels = np.full((image["height"], image["width"]), number + 1, np.uint8)
        (tmp_path / "out" / image["file_name"]).write_bytes(png(pixels))
    (tmp_path / "out" / "README.txt").unlink()
    with Study.create(tmp_path / "again", name="s") as again:
        run_import(again, make_plan(tmp_path / "out", PlanOptions(layout=COCO, reader="Dr A")))
        outlines = {lesion.outline for lesion in again.lesions.all()}
        fine = sum(
            bool(again.annotations.history(lesion.id, reader.id))
            for lesion in again.lesions.all()
            for reader in again.readers.all()
        )
    assert outlines == {lesion.outline for lesion in study.lesions.all()}
    assert fine == sum(a.get("marginalia", {}).get("kind") == "fine" for a in content["annotations"])
