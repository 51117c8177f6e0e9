"""Further tables as Excel, LibreOffice, Numbers, pandas and R write them in one country or another."""

from __future__ import annotations

import unicodedata
import zipfile
from pathlib import Path

import openpyxl
import pytest

from core.data.importers.plan import PlannedImage
from core.domain.errors import BadTableError
from core.domain.shapes import Rectangle
from core.domain.vocabulary import Laterality, MarginType, Pathology, ViewPosition
from tests.core.data.importers.test_spreadsheet_tables import folder_of, planned

BOX = ("image", "x0", "y0", "x1", "y1")


def only(place: Path, table: str | bytes, files: tuple[str, ...] = ("im0.png",)) -> PlannedImage:
    (image,) = planned(folder_of(place, table, files=files)).images
    return image


def left_edge(image: PlannedImage) -> float:
    (lesion,) = image.lesions
    assert isinstance(lesion.outline, Rectangle)
    return lesion.outline.box.x0


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1.040,5", 1040.5),
        ("1 040,5", 1040.5),
        ("1\u202f040,5", 1040.5),
        ("1\u00a0040", 1040.0),
        ("1'040,5", 1040.5),
        ("\u22125", -5.0),
        ("1.25", 1.25),
        ("1.250", 1.25),
    ],
)
def test_numbers_of_other_countries(tmp_path: Path, written: str, value: float) -> None:
    assert left_edge(only(tmp_path, f"image;x0;y0;x1;y1\nim0.png;{written};1;2000;9\n")) == value


def test_thousands_of_english_tables(tmp_path: Path) -> None:
    assert left_edge(only(tmp_path, 'image,x0,y0,x1,y1\nim0.png,"1,040.5",1,2000,9\n')) == 1040.5
    with pytest.raises(BadTableError, match="decimal"):
        planned(folder_of(tmp_path, 'image,x0,y0,x1,y1\nim0.png,"1,040",1,2000,9\n'))


@pytest.mark.parametrize(("written", "value"), [("80 %", 0.8), ("80%", 0.8), ("0,8", 0.8), ("12,5 %", 0.125)])
def test_a_probability_in_percent(tmp_path: Path, written: str, value: float) -> None:
    image = only(tmp_path, f"image;x0;y0;x1;y1;probability\nim0.png;1;1;9;9;{written}\n")
    assert image.lesions[0].labels.probability_of_malignancy == pytest.approx(value)


@pytest.mark.parametrize("word", ["nan", "NaN", "NA", "N/A", "#N/A", "#NV", "None", "NULL", "-"])
def test_words_for_an_empty_cell(tmp_path: Path, word: str) -> None:
    """Were they patients, all images without one would be those of one patient, "nan"."""
    table = (
        f"image,patient_id,x0,y0,x1,y1,margin,probability,comment\nim0.png,{word},1,1,9,9,{word},{word},{word}\n"
    )
    image = only(tmp_path, table)
    assert image.patient == "" and image.lesions[0].labels.margin is None
    assert image.lesions[0].labels.comment == word
    empty = only(tmp_path, f"image,x0,y0,x1,y1\nim0.png,{word},{word},{word},{word}\n")
    assert empty.lesions == ()


@pytest.mark.parametrize("written", ["1.23457E+12", "1,23457E+12", "1e+15"])
def test_an_identifier_that_was_rounded_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(BadTableError, match="rounded by a spreadsheet"):
        planned(folder_of(tmp_path, f"image;patient_id\nim0.png;{written}\n"))


@pytest.mark.parametrize("identifier", ["12e34", "3E8", "P1.0", "00123"])
def test_identifiers_that_only_look_like_numbers_stay(tmp_path: Path, identifier: str) -> None:
    assert only(tmp_path, f"image,patient_id\nim0.png,{identifier}\n").patient == identifier


def test_a_number_with_a_point_is_the_same_patient(tmp_path: Path) -> None:
    plan = planned(
        folder_of(tmp_path, "image,patient_id\nim0.png,123.0\nim1.png,123\n", files=("im0.png", "im1.png"))
    )
    assert {image.patient for image in plan.images} == {"123"}


TITLES = (
    "Table 1\n",
    "# written by R\n",
    "Befunde 2024\n\n",
    '"Findings; second reading"\n',
    "Name:;Dr A\nDate:;1.2.\n",
)


@pytest.mark.parametrize("title", TITLES)
def test_titles_above_the_table(tmp_path: Path, title: str) -> None:
    plan = planned(folder_of(tmp_path, title + "image;x0;y0;x1;y1\nim0.png;3;1;9;9\n"))
    assert left_edge(plan.images[0]) == 3
    assert plan.images[0].where == f"row {title.count(chr(10)) + 2}"


def test_lines_that_stand_in_quotes_as_a_whole(tmp_path: Path) -> None:
    table = '"image,x0,y0,x1,y1,comment"\n"im0.png,3,1,9,9,""a, b"""\n'
    image = only(tmp_path, table)
    assert left_edge(image) == 3 and image.lesions[0].labels.comment == "a, b"


def test_the_old_macintosh(tmp_path: Path) -> None:
    table = "image;comment;x0;y0;x1;y1\rim0.png;größe;3;1;9;9\r".encode("mac_roman")
    assert only(tmp_path, table).lesions[0].labels.comment == "größe"


@pytest.mark.parametrize(
    ("side", "view", "expected"),
    [
        ("Left", "cc", (Laterality.LEFT, ViewPosition.CC)),
        ("rechts", "Mediolateral oblique", (Laterality.RIGHT, ViewPosition.MLO)),
        ("R", "RMLO", (Laterality.RIGHT, ViewPosition.MLO)),
        ("L", "other", (Laterality.LEFT, ViewPosition.OTHER)),
        ("LT", "ML", (Laterality.LEFT, ViewPosition.OTHER)),
    ],
)
def test_words_for_side_and_view(
    tmp_path: Path, side: str, view: str, expected: tuple[Laterality, ViewPosition]
) -> None:
    image = only(tmp_path, f"image,laterality,view\nim0.png,{side},{view}\n")
    assert (image.laterality, image.view) == expected


@pytest.mark.parametrize(
    ("word", "margin"),
    [
        ("Ill-defined", MarginType.INDISTINCT),
        ("well defined", MarginType.CIRCUMSCRIBED),
        ("SPICULATED\u00a0", MarginType.SPICULATED),
    ],
)
def test_margins_of_earlier_editions(tmp_path: Path, word: str, margin: MarginType) -> None:
    image = only(tmp_path, f"image,x0,y0,x1,y1,margin,pathology\nim0.png,1,1,9,9,{word},Benign\n")
    assert (image.lesions[0].labels.margin, image.lesions[0].labels.pathology) == (margin, Pathology.BENIGN)


@pytest.mark.parametrize(
    ("written", "file"),
    [
        ("im0", "im0.png"),
        ("a/im0", "a/im0.png"),
        ("bild%200.png", "bild 0.png"),
        ("file:///C:/data/bild%200.png", "bild 0.png"),
        ("l\u00e9sion.png", unicodedata.normalize("NFD", "l\u00e9sion.png")),
        ("1.2.840.77", "1.2.840.77.dcm"),
    ],
)
def test_names_of_files(tmp_path: Path, written: str, file: str) -> None:
    assert only(tmp_path, f"image\n{written}\n", files=(file,)).path.name == file.rpartition("/")[2]


def test_a_name_without_ending_that_two_files_have_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(BadTableError, match="matches 2 files"):
        planned(folder_of(tmp_path, "image\nim0\n", files=("im0.png", "im0.tif")))


@pytest.mark.parametrize("written", ["%2e%2e/im0.png", "%2e%2e%2fim0.png"])
def test_a_path_that_leads_out_in_other_letters_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "im0.png").write_bytes(b"x")
    inner = tmp_path / "in"
    with pytest.raises(BadTableError):
        planned(folder_of(inner, f"image\n{written}\n", files=("other.png",)))


@pytest.mark.parametrize("ending", [".ods", ".numbers", ".xls", ".xlsb"])
def test_a_workbook_that_cannot_be_read_is_refused_and_its_labels_not_lost(tmp_path: Path, ending: str) -> None:
    folder = folder_of(tmp_path, "x", name=f"Lesions{ending}")
    with pytest.raises(BadTableError, match="save it as XLSX or CSV"):
        planned(folder)
    (folder / "lesions.csv").write_text("image\nim0.png\n")
    assert len(planned(folder).images) == 1


def strict(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        contents = {name: parts.read(name) for name in parts.namelist()}
    iso = b"http://purl.oclc.org/ooxml/"
    with zipfile.ZipFile(path, "w") as parts:
        for name, content in contents.items():
            content = content.replace(
                b"http://schemas.openxmlformats.org/spreadsheetml/2006/main", iso + b"spreadsheetml/main"
            )
            old = b"http://schemas.openxmlformats.org/officeDocument/2006/"
            parts.writestr(name, content.replace(old, iso + b"officeDocument/"))


def with_title(path: Path) -> None:
    book = openpyxl.load_workbook(path)
    book.active.insert_rows(1, 2)
    book.active["A1"] = "Findings"
    book.save(path)


def workbook(folder: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.append([*BOX, "patient_id", "margin"])
    book.active.append(["im0.png", 3.5, 1, 9, 9, 77, "#N/A"])
    folder_of(folder, "")
    (folder / "lesions.csv").unlink()
    book.save(folder / "lesions.xlsx")
    return folder / "lesions.xlsx"


def test_a_workbook_with_a_title_above_its_table(tmp_path: Path) -> None:
    with_title(workbook(tmp_path))
    (image,) = planned(tmp_path).images
    assert (left_edge(image), image.patient, image.lesions[0].labels.margin) == (3.5, "77", None)


def test_a_strict_workbook_is_refused_as_such(tmp_path: Path) -> None:
    """Before, its table was said to lack the column image."""
    strict(workbook(tmp_path))
    with pytest.raises(BadTableError, match="Strict Open XML"):
        planned(tmp_path)
