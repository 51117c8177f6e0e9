"""Tables as spreadsheets, editors and other systems write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from core.data.importers.cbis_ddsm import read_cbis_ddsm
from core.data.importers.folder import read_folder
from core.data.importers.layouts import make_plan, recognised
from core.data.importers.plan import ImportPlan, Severity
from core.domain.errors import BadTableError
from core.domain.shapes import Rectangle
from core.domain.spreadsheet import csv_cell, read_guarded
from core.domain.vocabulary import Laterality, MarginType, ViewPosition
from tests.core.imaging.samples import png

HEADER = ("image", "x0", "y0", "x1", "y1", "margin", "spacing_mm")
PICTURE = png(np.zeros((8, 8), np.uint8))


def folder_of(
    place: Path, table: str | bytes, *, name: str = "lesions.csv", files: Sequence[str] = ("im0.png",)
) -> Path:
    for file in files:
        (place / file).parent.mkdir(parents=True, exist_ok=True)
        (place / file).write_bytes(PICTURE)
    (place / name).write_bytes(table.encode() if isinstance(table, str) else table)
    return place


def planned(place: Path) -> ImportPlan:
    return make_plan(place)


def lines(separator: str, *rows: Sequence[str], end: str = "\n") -> str:
    return "".join(separator.join(row) + end for row in (HEADER, *rows))


ROW = ("im0.png", "40,5", "100,25", "80", "140", "spiculated", "0,1")


def box(plan: ImportPlan) -> tuple[float, ...]:
    (image,) = plan.images
    (lesion,) = image.lesions
    assert isinstance(lesion.outline, Rectangle) and lesion.labels.margin is MarginType.SPICULATED
    return lesion.outline.box.x0, lesion.outline.box.y0, image.spacing_mm or 0.0


class TestSeparators:
    @pytest.mark.parametrize("separator", [";", "\t", "|"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize("sep_line", [False, True])
    def test_decimal_commas_where_commas_separate_nothing(
        self, tmp_path: Path, separator: str, end: str, sep_line: bool
    ) -> None:
        text = (f"sep={separator}{end}" if sep_line else "") + lines(separator, ROW, end=end)
        assert box(planned(folder_of(tmp_path, text))) == (40.5, 100.25, 0.1)

    def test_a_decimal_comma_between_commas_says_what_to_do(self, tmp_path: Path) -> None:
        text = ",".join(HEADER) + '\nim0.png,"40,5",100,80,140,spiculated,0.1\n'
        with pytest.raises(BadTableError, match="decimal point"):
            planned(folder_of(tmp_path, text))

    def test_quoted_cells_and_quotes_around_the_separator_line(self, tmp_path: Path) -> None:
        quoted = ";".join(f'"{cell}"' for cell in ROW)
        text = '"sep=;"\n' + ";".join(f'"{name}"' for name in HEADER) + f"\n{quoted}\n"
        assert box(planned(folder_of(tmp_path, text))) == (40.5, 100.25, 0.1)

    def test_blank_and_trailing_cells(self, tmp_path: Path) -> None:
        text = "\n;;;\n" + ";".join(HEADER) + ";;\n" + ";".join(ROW) + ";;;;\n;;;;\n"
        assert box(planned(folder_of(tmp_path, text))) == (40.5, 100.25, 0.1)

    def test_one_column_alone(self, tmp_path: Path) -> None:
        assert len(planned(folder_of(tmp_path, "image\nim0.png\n")).images) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "image,comment\nim ä.png,größer\n"
    plan = planned(folder_of(tmp_path, text.encode(encoding), files=("im ä.png",)))
    assert plan.images[0].path.name == "im ä.png"


class TestNames:
    @pytest.mark.parametrize(
        "header", ["Image;Patient ID;MARGIN", " image ;patient-id;Margin", "IMAGE;Patient_Id;margin"]
    )
    def test_columns_in_any_spelling(self, tmp_path: Path, header: str) -> None:
        plan = planned(folder_of(tmp_path, f"{header}\nim0.png;P7;\n"))
        assert plan.images[0].patient == "P7" and not plan.issues

    @pytest.mark.parametrize("name", ["LESIONS.CSV", "Lesions.csv", "lesions.TSV", "lesions.txt"])
    def test_the_table_in_any_case_and_ending(self, tmp_path: Path, name: str) -> None:
        text = lines("\t", ROW)
        assert recognised(folder_of(tmp_path, text, name=name)) == "folder"
        assert box(planned(tmp_path))[0] == 40.5

    def test_two_tables_are_not_chosen_between(self, tmp_path: Path) -> None:
        folder_of(tmp_path, lines(";", ROW))
        (tmp_path / "lesions.tsv").write_text(lines("\t", ROW))
        with pytest.raises(BadTableError, match="--table"):
            planned(tmp_path)

    @pytest.mark.parametrize("second", ["margin", "MARGIN", " Margin "])
    def test_a_column_twice_is_refused(self, tmp_path: Path, second: str) -> None:
        text = f"image;x0;y0;x1;y1;margin;{second}\nim0.png;1;1;3;3;spiculated;circumscribed\n"
        with pytest.raises(BadTableError, match="'margin' twice"):
            planned(folder_of(tmp_path, text))

    @pytest.mark.parametrize(
        "written",
        ["a\\im0.png", ".\\a\\im0.png", "C:\\data\\a\\im0.png", "D:/x/a/im0.png", "\\\\server\\share\\a\\im0.png",
         "A/IM0.PNG", "/home/else/a/im0.png", "a/im0.png"],
    )  # fmt: skip
    def test_paths_of_other_systems(self, tmp_path: Path, written: str) -> None:
        plan = planned(folder_of(tmp_path, f"image\n{written}\n", files=("a/im0.png", "b/im0.png")))
        assert [image.path.relative_to(tmp_path).as_posix() for image in plan.images] == ["a/im0.png"]

    @pytest.mark.parametrize("written", ["..\\im0.png", "C:\\..\\im0.png", "a/../../im0.png"])
    def test_a_path_that_leads_out_is_refused(self, tmp_path: Path, written: str) -> None:
        with pytest.raises(BadTableError, match="lies outside"):
            planned(folder_of(tmp_path, f"image\n{written}\n"))

    def test_names_that_differ_by_case_alone_must_be_exact(self, tmp_path: Path) -> None:
        place = folder_of(tmp_path, "image\nIM0.png\n", files=("im0.png", "Im0.png"))
        with pytest.raises(BadTableError, match="2 files"):
            planned(place)


class TestDuplicates:
    def test_a_row_that_repeats_another_is_one_lesion_and_a_note(self, tmp_path: Path) -> None:
        row = ("im0.png", "40", "100", "80", "140", "spiculated", "0.1")
        same = ("im0.png", "40.0", "100", "80", "140", "Spiculated", "0.10")
        plan = planned(folder_of(tmp_path, lines(",", row, same, row)))
        assert plan.lesion_count == 1
        assert [(i.where, i.severity) for i in plan.issues] == [("row 3", Severity.NOTE), ("row 4", Severity.NOTE)]
        assert "repeats row 2" in plan.issues[0].sentence

    def test_lesions_that_differ_at_all_are_two(self, tmp_path: Path) -> None:
        one = ("im0.png", "40", "100", "80", "140", "spiculated", "0.1")
        other = ("im0.png", "40", "100", "80", "141", "spiculated", "0.1")
        plan = planned(folder_of(tmp_path, lines(",", one, other)))
        assert plan.lesion_count == 2 and not plan.issues

    def test_images_that_the_table_does_not_name_are_counted(self, tmp_path: Path) -> None:
        plan = planned(folder_of(tmp_path, "image\nim0.png\n", files=("im0.png", "im1.png", "d/im2.png")))
        assert "that lesions.csv does not name are left out (2)" in plan.issues[0].sentence
        assert "d/im2.png" in plan.issues[0].sentence


class TestWorkbooks:
    def workbook(self, place: Path, sheets: dict[str, list[tuple[object, ...]]]) -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name, rows in sheets.items():
            sheet = book.create_sheet(name)
            for row in rows:
                sheet.append(row)
        (place / "im0.png").write_bytes(PICTURE)
        book.save(place / "Lesions.xlsx")
        return place

    def test_the_sheet_with_the_images_is_read(self, tmp_path: Path) -> None:
        table = [(), HEADER, ("im0.png", 40.5, "100,25", 80, 140, "spiculated", 0.1)]
        place = self.workbook(tmp_path, {"Notes": [("to do",)], "Data": table, "More": [("Image",)]})
        assert box(planned(place)) == (40.5, 100.25, 0.1)

    @pytest.mark.timeout(60)
    def test_a_cell_in_the_last_row_of_the_sheet_is_read_too(self, tmp_path: Path) -> None:
        """Looking at every cell between took minutes."""
        row = ("im0.png", 1, 1, 3, 3, "spiculated", 0.1)
        place = self.workbook(tmp_path, {"Data": [HEADER, row]})
        book = openpyxl.load_workbook(place / "Lesions.xlsx")
        for column, value in enumerate(("im0.png", 4, 4, 7, 7, "spiculated", 0.1), start=1):
            book["Data"].cell(row=1_048_576, column=column, value=value)
        book.save(place / "Lesions.xlsx")
        (image,) = planned(place).images
        assert len(image.lesions) == 2

    def test_no_sheet_has_them(self, tmp_path: Path) -> None:
        with pytest.raises(BadTableError, match="lacks the column image"):
            planned(self.workbook(tmp_path, {"Data": [("picture",), ("im0.png",)]}))

    def test_a_column_twice(self, tmp_path: Path) -> None:
        with pytest.raises(BadTableError, match="twice"):
            planned(self.workbook(tmp_path, {"Data": [("image", "margin", "Margin"), ("im0.png", "", "")]}))

    def test_another_table_beside_images_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "im0.png").write_bytes(PICTURE)
        for name in ("annotations.xlsx", "findings.ods"):
            (tmp_path / name).write_bytes(b"PK\x03\x04")
        plan = planned(tmp_path)
        assert any("not read: annotations.xlsx, findings.ods" in issue.sentence for issue in plan.issues)


@pytest.mark.parametrize(
    "text", ["- 3 mm", "'tis", "=1+1", "a; - b", "''x", "plain", "it's", " x", "+", "a,'b", "@x, =y"]
)
def test_text_that_we_guard_comes_back_as_it_was(text: str) -> None:
    cell = text
    for _ in range(3):
        cell = read_guarded(csv_cell(cell))
    assert cell == text


def test_a_quote_of_another_program_is_text() -> None:
    assert read_guarded("'tis") == "'tis"


class TestShapes:
    def outline(self, points: list[tuple[float, float]]) -> str:
        import json

        shape = json.dumps({"kind": "polygon", "points": points}).replace('"', '""')
        return f'image,outline\nim0.png,"{shape}"\n'

    @pytest.mark.parametrize(
        ("points", "words"),
        [
            ([(40, 100), (90, 150), (90, 100), (40, 150)], "crosses itself"),
            ([(0, 0), (4, 4), (4, 0), (0, 3)], "crosses itself"),
            ([(50.2, 100.2), (50.6, 100.2), (50.6, 100.6)], "of a pixel"),
            ([(1, 1), (2, 2), (3, 3)], "encloses nothing"),
        ],
    )
    def test_outlines_that_mark_nothing(
        self, tmp_path: Path, points: list[tuple[float, float]], words: str
    ) -> None:
        with pytest.raises(BadTableError, match=words):
            planned(folder_of(tmp_path, self.outline(points)))

    def test_a_small_loop_is_noted(self, tmp_path: Path) -> None:
        loop = [(0, 0), (40, 0), (40, 40), (1, 40), (-1, 41), (0, 41)]
        loop = [(0.0, 0.0), (40.0, 0.0), (40.0, 40.0), (0.0, 40.0), (2.0, 38.0), (2.0, 41.0), (0.0, 41.0)]
        plan = planned(folder_of(tmp_path, self.outline(loop)))
        assert plan.lesion_count == 1 and "crosses itself" in plan.issues[0].sentence


def test_the_jpeg_copy_of_cbis_ddsm_is_read_by_its_own_tables(tmp_path: Path) -> None:
    mask = np.zeros((60, 40), np.uint8)
    mask[20:40, 10:30] = 255
    lossy = np.where(mask > 0, 250, 4).astype(np.uint8)
    rng = np.random.default_rng(1)
    cut_out = rng.integers(0, 255, (12, 12)).astype(np.uint8)
    pictures = {"9.0/1-1.jpg": mask // 2, "9.1/1-2.jpg": cut_out, "9.2/1-3.jpg": lossy}
    for name, pixels in pictures.items():
        path = tmp_path / "jpeg" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(png(pixels))
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "dicom_info.csv").write_text(
        "file_path,image_path,PatientID,SeriesDescription\n"
        "x,CBIS-DDSM/jpeg/9.0/1-1.jpg,Mass-Training_P_7_RIGHT_MLO,full mammogram images\n"
        "x,CBIS-DDSM/jpeg/9.1/1-2.jpg,Mass-Training_P_7_RIGHT_MLO_1,\n"
        "x,CBIS-DDSM/jpeg/9.2/1-3.jpg,Mass-Training_P_7_RIGHT_MLO_1,\n"
    )
    (tmp_path / "csv" / "mass_case_description_train_set.csv").write_text(
        "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
        "mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
        "P_7,2,RIGHT,MLO,1,mass,OVAL,SPICULATED,5,MALIGNANT,4,Mass-Training_P_7_RIGHT_MLO/1/9.0/000000.dcm,"
        'Mass-Training_P_7_RIGHT_MLO_1/1/2/000000.dcm,"Mass-Training_P_7_RIGHT_MLO_1/1/2/000001.dcm\n"\n'
    )
    assert recognised(tmp_path) == "cbis-ddsm"
    by_name = {path.name: pixels for path, pixels in ((tmp_path / "jpeg" / n, p) for n, p in pictures.items())}
    plan = read_cbis_ddsm(tmp_path, read_mask=lambda path: by_name[path.name])
    (image,) = plan.images
    (lesion,) = image.lesions
    assert (image.patient, image.laterality, image.view) == ("P_7", Laterality.RIGHT, ViewPosition.MLO)
    assert image.path.name == "1-1.jpg" and lesion.drawn_on == (40, 60)
    assert lesion.labels.margin is MarginType.SPICULATED


def test_a_table_is_named_by_the_user_whatever_its_name(tmp_path: Path) -> None:
    place = folder_of(tmp_path, lines(";", ROW), name="mine.dat")
    assert box(read_folder(place, place / "mine.dat", source="s"))[0] == 40.5
