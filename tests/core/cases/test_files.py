"""Every file of the cases gives the value that is right for it: ``pytest -m shared tests/core/cases``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.data.importers.importing import run_import
from core.data.importers.layouts import PlanOptions, make_plan
from core.domain.errors import BadTableError
from core.domain.vocabulary import Laterality, MarginType, ViewPosition
from core.store.study import Study
from tests.core.cases.conftest import Imported

pytestmark = pytest.mark.shared
Import = Callable[[str], Imported]


def is_about(greys: tuple[int, int, int]) -> bool:
    """The values of every picture of the cases: black, about 127 at the chest wall, 218."""
    return greys[0] == 0 and abs(greys[1] - 125) <= 6 and greys[2] == 218


def good_picture(case: Imported) -> bool:
    return is_about(case.greys) and case.pixels.max() == 3500


DICOM: dict[str, Callable[[Imported], bool]] = {
    "a02_mono2_inverse": lambda c: is_about(c.greys) and "contradicts itself" in c.said,
    "a03_padding_range": lambda c: is_about(c.greys) and c.image.padding == (4000, 4095),
    "a04c_voilut_first_negative_as_US": lambda c: is_about(c.greys),
    "a07_pixelspacing_uncorrected_mag1.8": lambda c: c.image.pixel_spacing_mm == pytest.approx(0.1 / 1.8),
    "a09d_view_LMLO": lambda c: (c.image.laterality, c.image.view) == (Laterality.LEFT, ViewPosition.MLO),
    "a10_htj2k_lossless": lambda c: good_picture(c) and c.pixels.shape == (256, 192),
    "a14_hologic_sco": lambda c: not c.images and "BTO" in c.said and "placeholder" in c.said,
    "a15_no_preamble_jpegls": good_picture,
    "a20_left_stored_flipped": lambda c: good_picture(c) and c.image.turn == "M" and "mirrored" in c.said,
    "a21_jpeg_padded_with_space": good_picture,
    "a22_dbt_fragments_no_bot": lambda c: c.image.frames == 4,
    "a32_says_implicit_is_explicit": lambda c: good_picture(c) and "Transfer Syntax" in c.said,
}


@pytest.mark.parametrize("name", DICOM)
def test_dicom(imported: Import, name: str) -> None:
    assert DICOM[name](imported(f"dicom/{name}.dcm"))


def test_a_zip(imported: Import) -> None:
    case = imported("dicom/a17_study.zip")
    assert len(case.images) == 1 and case.report.files[0].name == "a17_study.zip/IMG/0001"


LAYOUTS: dict[str, Callable[[Imported], bool]] = {
    "a16_uidnames": lambda c: len(c.images) == 6,
    "a24_anon": lambda c: c.report.patients == 2 and "no Patient ID" in c.said,
    "a25_mixed": lambda c: (
        len(c.images) == 1 and all(word in c.said for word in ("MR image", "ultrasound", "CT image", "OT"))
    ),
    "a36_birth": lambda c: (c.report.patients, len(c.images)) == (1, 3),
    "b02_cbis_kaggle": lambda c: (
        (c.report.patients, len(c.images), len(c.lesions)) == (1, 1, 1)
        and c.lesions[0].labels.margin is MarginType.SPICULATED
    ),
    "b06_outline_on_background": lambda c: len(c.lesions) == 1 and "background" in c.said,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(imported: Import, name: str) -> None:
    assert LAYOUTS[name](imported(f"layouts/{name}"))


def test_edges_of_shapes(cases: Path, tmp_path: Path) -> None:
    folder = cases / "layouts" / "c_edges_of_shapes"
    with pytest.raises(BadTableError, match="row 3: the outline crosses itself"):
        make_plan(folder)
    plan = make_plan(folder, PlanOptions(skip_bad_rows=True))
    with Study.create(tmp_path / "study", name="s") as study:
        report = run_import(study, plan)
    said = {issue.where: issue.sentence for issue in report.issues}
    assert "beyond the edge" in said["row 4"] and "of a pixel" in said["row 5"]
    assert "outside the image" in said["row 7"] and report.lesions == 3


TABLES: dict[str, Callable[[Imported], bool]] = {
    "e02_decimal_comma": lambda c: (
        sorted(lesion.box.x0 for lesion in c.lesions) == [40, 40.5]
        and {image.pixel_spacing_mm for image in c.images} == {0.1}
    ),
    "e04_sep_line": lambda c: len(c.lesions) == 1 and c.lesions[0].labels.margin is MarginType.SPICULATED,
    "e06_duplicate_rows": lambda c: len(c.lesions) == 2 and "repeats row 2" in c.said,
    "e17_xlsx": lambda c: len(c.lesions) == 1 and c.lesions[0].labels.margin is MarginType.SPICULATED,
    "t06_two_classes": lambda c: len(c.lesions) == 12,
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(imported: Import, name: str) -> None:
    assert TABLES[name](imported(f"tables/{name}"))


def test_a_duplicate_column(cases: Path) -> None:
    with pytest.raises(BadTableError, match="'margin' twice"):
        make_plan(cases / "tables" / "e07_duplicate_column")
