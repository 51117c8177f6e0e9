from pathlib import Path

import pytest

from core.data.importers.mini_mias import read_mini_mias
from core.data.importers.plan import Severity
from core.domain.errors import BadFileError, BadTableError
from core.domain.shapes import Ellipse
from core.domain.vocabulary import Laterality, MarginType, Pathology

TABLE = """
INFORMATION: 1st column: MIAS database reference number.
mdb001 G CIRC B 535 425 197
mdb002 G CIRC M 522 280 69
mdb005 F SPIC B 477 133 30
mdb005 F MISC B 500 168 26
mdb006 F NORM
mdb059 F CIRC B
mdb216 D CALC M *NOTE 3*
mdb300 D NORM
"""


def _folder(tmp_path: Path, table: str = TABLE, files: str = "001 002 005 006 059 216") -> Path:
    (tmp_path / "Info.txt").write_text(table)
    for number in files.split():
        (tmp_path / f"mdb{number}.pgm").write_bytes(b"")
    return tmp_path


def test_films_are_paired_into_patients_and_circles_turned_the_right_way_up(tmp_path: Path) -> None:
    plan = read_mini_mias(_folder(tmp_path))
    by_name = {image.path.stem: image for image in plan.images}
    assert by_name["mdb001"].patient == by_name["mdb002"].patient != by_name["mdb005"].patient
    assert by_name["mdb005"].patient == by_name["mdb006"].patient
    assert by_name["mdb002"].laterality is Laterality.LEFT and by_name["mdb001"].laterality is Laterality.RIGHT
    assert by_name["mdb001"].spacing_mm == 0.2
    (lesion,) = by_name["mdb002"].lesions
    # column 522, the 281st row from the bottom of 1024, and the centre of that pixel
    assert lesion.outline == Ellipse(centre=(522.5, 743.5), radius_x=69, radius_y=69, role=lesion.outline.role)
    assert lesion.labels.pathology is Pathology.MALIGNANT and lesion.fine == ()


def test_each_class_has_its_margin_and_the_mapping_is_said(tmp_path: Path) -> None:
    plan = read_mini_mias(_folder(tmp_path))
    lesions = [lesion for image in plan.images for lesion in image.lesions]
    assert [lesion.labels.margin for lesion in lesions] == [
        MarginType.CIRCUMSCRIBED,
        MarginType.CIRCUMSCRIBED,
        MarginType.SPICULATED,
        MarginType.INDISTINCT,
    ]
    sentences = " ".join(issue.sentence for issue in plan.issues)
    assert "1 of the 7 films" in sentences and "MISC" in sentences
    assert "mdb059 has no coordinates" in sentences and "mdb216 shows calcification" in sentences


def test_an_unreadable_row_stops_the_import_unless_it_is_to_be_skipped(tmp_path: Path) -> None:
    folder = _folder(tmp_path, TABLE + "mdb003 G BLOB B 1 2 3\n")
    with pytest.raises(BadTableError, match="BLOB"):
        read_mini_mias(folder)
    plan = read_mini_mias(folder, skip_bad_rows=True)
    assert [issue.where for issue in plan.issues if issue.severity is Severity.WRONG] == ["row 11"]


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"no Info\.txt"):
        read_mini_mias(tmp_path)
    with pytest.raises(BadFileError, match="lists no film"):
        read_mini_mias(_folder(tmp_path, "nothing\n"))
