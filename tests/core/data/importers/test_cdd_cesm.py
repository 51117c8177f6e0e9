import json
from pathlib import Path

import numpy as np
import pytest

from core.data.importers.cdd_cesm import RegionChoice, read_cdd_cesm, read_choices
from core.data.importers.contours import CONTOUR_BAND, outline_area
from core.data.importers.plan import ImportPlan, Severity
from core.domain.errors import BadFileError, BadTableError
from core.domain.shapes import Ellipse, Polygon
from core.domain.vocabulary import BreastComposition, MarginType, Pathology

HEADER = (
    "image,patient_id,laterality,view,breast_density,birads,mass,margin,pathology,width,height,findings,contours"
)
STAR = {"name": "polygon", "all_points_x": [10, 40, 15, 25, 10], "all_points_y": [10, 12, 20, 45, 10]}
ELLIPSE = {"name": "ellipse", "cx": 50, "cy": 60, "rx": 9, "ry": 5}
WHOLE = {"name": "polygon", "all_points_x": [0, 99, 99, 0], "all_points_y": [0, 0, 80, 80]}


def _mask(path: Path) -> np.ndarray:
    if path.parent.name in ("half", "full"):
        image = np.full((100, 100), 5, np.uint8)
        image[:, : 30 if "narrow" in path.name else 90] = 60
        image[2:8, 93:99] = 200  # a lead letter beside the breast
        return image
    mask = np.zeros((100, 100), np.uint8)
    if "narrow" in path.name:
        share = int(path.stem.removeprefix("narrow") or 40)  # percent of the breast of 30 x 100 pixels
        mask[10 : 10 + 3 * share // 2, 5:25] = 255
        return mask
    mask[20:40, 30:50] = 255
    if "two" in path.name:
        mask[70:80, 70:80] = 255
    return mask


def _row(image: str, margin: str, *contours: dict[str, object], patient: str = "P1", view: str = "CC") -> str:
    shapes = '"' + json.dumps(list(contours)).replace('"', '""') + '"' if contours else ""
    return f"{image},{patient},L,{view},C,4,yes,{margin},MALIGNANT,100,100,words,{shapes}"


def _read(tmp_path: Path, *rows: str, **options: object) -> ImportPlan:
    for name in ("full", "half", "half-masks"):
        (tmp_path / name).mkdir(exist_ok=True)
    for row in rows:
        path = tmp_path / row.split(",")[0]
        path.write_bytes(b"")
        (tmp_path / "half-masks" / path.name).write_bytes(b"")
    (tmp_path / "index.csv").write_text("\n".join((HEADER, *rows)) + "\n")
    return read_cdd_cesm(tmp_path, read_mask=_mask, **options)  # type: ignore[arg-type]


def test_one_drawn_contour_is_a_lesion_with_a_derived_band(tmp_path: Path) -> None:
    (image,) = _read(tmp_path, _row("full/a.jpg", "spiculated", STAR)).images
    (lesion,) = image.lesions
    assert isinstance(lesion.outline, Polygon) and len(lesion.outline.points) == 4
    assert lesion.labels.margin is MarginType.SPICULATED and lesion.labels.pathology is Pathology.MALIGNANT
    assert image.composition is BreastComposition.C and image.spacing_mm is None
    assert len(lesion.fine) == 1 and lesion.fine_reader == CONTOUR_BAND


def test_an_ellipse_has_no_band(tmp_path: Path) -> None:
    (image,) = _read(tmp_path, _row("full/a.jpg", "obscured", ELLIPSE)).images
    assert isinstance(image.lesions[0].outline, Ellipse) and image.lesions[0].fine == ()


@pytest.mark.parametrize(
    ("image", "contours", "words"),
    [
        ("full/a.jpg", (WHOLE,), "outlines no single mass"),
        ("full/a.jpg", (STAR, ELLIPSE), "2 regions and one margin word"),
        ("full/a.jpg", (STAR, WHOLE), "2 regions and one margin word"),
        ("half/narrow.jpg", (), "outlines no single mass"),
        ("half/two.jpg", (), "2 regions and one margin word"),
    ],
)
def test_traps_are_left_out_and_said(
    tmp_path: Path, image: str, contours: tuple[dict[str, object], ...], words: str
) -> None:
    plan = _read(tmp_path, _row(image, "spiculated", *contours))
    assert len(plan.images) == 1 and plan.lesion_count == 0
    (issue,) = plan.issues
    assert words in issue.sentence and issue.severity is Severity.LEFT_OUT and issue.where == "row 2"


def test_the_limit_is_a_share_of_the_breast_not_of_the_image(tmp_path: Path) -> None:
    """18% of the breast is a mass; 24% of it is none, though that is 7% of the image."""
    plan = _read(tmp_path, _row("half/narrow18.jpg", "indistinct"), _row("half/narrow24.jpg", "indistinct"))
    assert [len(image.lesions) for image in plan.images] == [1, 0]
    (issue,) = plan.issues
    assert issue.where == "row 3" and "more than a fifth of the breast" in issue.sentence


def test_a_person_chooses_the_region(tmp_path: Path) -> None:
    table = tmp_path / "choices.csv"
    table.write_text("image,region,margin\nfull/a.jpg,2,obscured\nhalf/two.jpg,2,\nfull/none.jpg,1,\n")
    plan = _read(
        tmp_path,
        _row("full/a.jpg", "spiculated", STAR, ELLIPSE),
        _row("half/two.jpg", "spiculated", patient="P2"),
        choices=read_choices(table),
    )
    first, second = (image.lesions[0] for image in plan.images)
    assert isinstance(first.outline, Ellipse) and first.labels.margin is MarginType.OBSCURED
    assert outline_area(second.outline) == pytest.approx(100, abs=4)
    assert second.labels.margin is MarginType.SPICULATED
    assert "full/none.jpg" in plan.issues[0].sentence


def test_wrong_choices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTableError, match="region 3 was chosen"):
        _read(tmp_path, _row("full/a.jpg", "spiculated", STAR), choices={"full/a.jpg": RegionChoice(region=3)})
    table = tmp_path / "choices.csv"
    table.write_text("image,region\nfull/a.jpg,first\n")
    with pytest.raises(BadTableError, match="'first' is not a valid region"):
        read_choices(table)


def test_half_images_are_outlined_by_their_masks(tmp_path: Path) -> None:
    (image,) = _read(tmp_path, _row("half/one.jpg", "indistinct")).images
    assert outline_area(image.lesions[0].outline) == pytest.approx(400, abs=4)


def test_an_image_in_two_sizes_is_imported_once(tmp_path: Path) -> None:
    plan = _read(
        tmp_path,
        _row("half/one.jpg", "indistinct"),
        _row("full/a.jpg", "indistinct", STAR),
        _row("half/b.jpg", "indistinct", view="MLO"),
    )
    assert [image.path.parent.name for image in plan.images] == ["full", "half"]
    assert "1 images exist in two sizes" in plan.issues[0].sentence


def test_several_margin_words_leave_the_margin_open(tmp_path: Path) -> None:
    plan = _read(tmp_path, _row("full/a.jpg", "indistinct+spiculated", STAR))
    assert plan.images[0].lesions[0].labels.margin is None
    assert "several margins (indistinct+spiculated)" in plan.issues[0].sentence


@pytest.mark.parametrize(
    "contours",
    [
        ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]},),
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]},),
        ({"name": "point", "cx": 1, "cy": 1},),
        ({"name": "circle", "cx": 1, "cy": 1, "r": -4},),
    ],
)
def test_unreadable_contours_name_their_row(tmp_path: Path, contours: tuple[dict[str, object], ...]) -> None:
    rows = _row("full/a.jpg", "spiculated", *contours), _row("full/b.jpg", "spiculated", STAR, patient="P2")
    with pytest.raises(BadTableError, match="row 2"):
        _read(tmp_path, *rows)
    assert len(_read(tmp_path, *rows, skip_bad_rows=True).images) == 1


def test_a_folder_without_the_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"no index\.csv"):
        read_cdd_cesm(tmp_path, read_mask=_mask)
