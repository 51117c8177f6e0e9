from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from core.data.roi_set import InputTransform
from core.data.training_set import RoiRequest, build_roi_set
from core.domain.errors import BadFileError, Cancelled, StudyError
from core.domain.study import Split
from core.domain.vocabulary import DISCLAIMER
from core.exchange.collect import collect
from core.exchange.formats import ExportSelection, ExportTools
from core.exchange.masks.authors import export_authors, read_authors
from core.exchange.masks.png import export_png_masks, fine_mask, lesion_mask
from core.store.study import Study
from tests.core.data.export.conftest import CANARY

REQUEST = RoiRequest(
    transform=InputTransform(input_size=48, context="compact"),
    class_names=("circumscribed", "indistinct", "spiculated"),
)


def test_the_authors_layout_comes_back_with_its_polarity_turned(
    study: Study, tmp_path: Path, split: Split
) -> None:
    assert export_authors(study, tmp_path / "out", REQUEST, ExportSelection(split=split)) == 3
    rois = build_roi_set(study, REQUEST).rois
    back = read_authors(tmp_path / "out")
    assert [(one.part, one.class_name) for one in back] == [
        ("test", "indistinct"),
        ("training", "circumscribed"),
        ("validation", "spiculated"),
    ]
    for one, row in zip(back, (2, 0, 1), strict=True):
        mask = rois.fine[row] if rois.has_fine[row] else rois.lesion[row]
        np.testing.assert_array_equal(one.mask, rois.central(mask))
        np.testing.assert_array_equal(np.rint(one.pixels * 255), rois.central(rois.pixels[row]))


def test_in_the_authors_files_zero_is_relevant(study: Study, tmp_path: Path) -> None:
    export_authors(study, tmp_path / "out", REQUEST)
    array = np.load(next((tmp_path / "out" / "all" / "indistinct").iterdir()))
    assert (array.dtype, array.shape) == (np.float32, (2, 48, 48))
    assert array[1, 24, 24] == 0.0  # the middle of the lesion
    assert array[1, 0, 0] == 1.0
    assert array[0].min() >= 0 and array[0].max() <= 1


def test_finely_annotated_lesions_stand_in_a_folder_of_their_own(
    study: Study, tmp_path: Path, split: Split
) -> None:
    export_authors(study, tmp_path / "out", REQUEST, ExportSelection(split=split))
    finer = sorted(
        path.relative_to(tmp_path / "out").parts[:3] for path in (tmp_path / "out").rglob("finer/*/*/*.npy")
    )
    assert finer == [("finer", "training", "circumscribed"), ("finer", "validation", "spiculated")]


@pytest.mark.parametrize("content", [b"", b"not numpy", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_array_is_named(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "train" / "oval"
    folder.mkdir(parents=True)
    (folder / "one.npy").write_bytes(content)
    with pytest.raises(BadFileError, match=r"one\.npy in train/oval"):
        read_authors(tmp_path)


def test_an_array_of_another_shape_or_of_objects_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "oval"
    folder.mkdir(parents=True)
    np.save(folder / "one.npy", np.zeros((48, 48), np.float32))
    with pytest.raises(BadFileError, match=r"its shape is \(48, 48\)"):
        read_authors(tmp_path)
    np.save(folder / "one.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BadFileError, match="not an array of numbers"):
        read_authors(tmp_path)


def test_png_masks_are_the_masks(study: Study, tmp_path: Path) -> None:
    assert export_png_masks(study, tmp_path / "out") == 4
    for item in collect(study):
        with Pillow.open(tmp_path / "out" / "lesion" / f"{item.name}.png") as picture:
            assert picture.info == {}
            np.testing.assert_array_equal(np.array(picture), 255 * lesion_mask(item))
        path = tmp_path / "out" / "fine" / f"{item.name}.png"
        assert path.exists() == bool(item.truth.fine)
        if item.truth.fine:
            with Pillow.open(path) as picture:
                np.testing.assert_array_equal(np.array(picture), 255 * fine_mask(item))


def test_names_are_pseudonyms_and_the_table_lists_every_lesion(study: Study, tmp_path: Path) -> None:
    export_png_masks(study, tmp_path / "out")
    with (tmp_path / "out" / "lesions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"P{i:03d}_LCC_0000000{i}_1" for i in range(4)]
    assert rows[3]["margin"] == "obscured"
    assert rows[0]["synthetic"] == "True"


def test_every_export_carries_disclaimer_and_the_word_synthetic_and_no_comment_or_date(
    study: Study, tmp_path: Path
) -> None:
    export_png_masks(study, tmp_path / "png")
    export_authors(study, tmp_path / "npy", REQUEST)
    for folder in (tmp_path / "png", tmp_path / "npy"):
        words = (folder / "README.txt").read_text("utf-8")
        assert DISCLAIMER in words and "SYNTHETIC" in words
        for path in folder.rglob("*"):
            if path.is_file():
                assert CANARY.encode() not in path.read_bytes()
                assert b"1987" not in path.read_bytes()


def test_only_the_chosen_part_and_source_is_exported(study: Study, split: Split) -> None:
    assert [item.part for item in collect(study, ExportSelection(split=split))] == [
        "training",
        "validation",
        "test",
    ]
    with pytest.raises(StudyError, match="nothing to export"):
        collect(study, ExportSelection(sources=("elsewhere",)))


def test_a_folder_with_something_in_it_is_left_alone(study: Study, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("years of work")
    with pytest.raises(StudyError, match="not empty"):
        export_png_masks(study, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.doc"]


def test_cancelling_leaves_nothing(study: Study, tmp_path: Path) -> None:
    calls = iter([False, False])
    with pytest.raises(Cancelled):
        export_png_masks(study, tmp_path / "out", tools=ExportTools(cancelled=lambda: next(calls, True)))
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


def test_an_empty_folder_that_is_there_is_filled_and_not_replaced(study: Study, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    before = (tmp_path / "out").stat().st_ino
    export_png_masks(study, tmp_path / "out")
    assert (tmp_path / "out").stat().st_ino == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.txt",
        "fine",
        "lesion",
        "lesions.csv",
    ]
