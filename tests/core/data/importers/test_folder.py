from pathlib import Path

import msgspec
import pytest

from core.data.importers.folder import COLUMNS, read_folder
from core.data.importers.plan import Severity
from core.domain.errors import BadTableError
from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Length, Line, Polygon, Rectangle, encode_shapes
from core.domain.vocabulary import (
    BiradsCategory,
    Laterality,
    MarginType,
    MassDensity,
    MassShape,
    Pathology,
    ViewPosition,
)

HEADER = ",".join(COLUMNS)


def _folder(tmp_path: Path, *lines: str, header: str = HEADER) -> tuple[Path, Path]:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"not read by the parser")
    table = tmp_path / "lesions.csv"
    table.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
    return tmp_path, table


def _quoted(json: bytes) -> str:
    return '"' + json.decode().replace('"', '""') + '"'


def test_every_column_arrives(tmp_path: Path) -> None:
    outline = Polygon(points=((1.0, 2.0), (30.0, 2.0), (10.0, 40.5)))
    fine = (Line(points=((1.0, 2.0), (3.0, 4.0)), width=Length(value=1.5, unit="mm")),)
    line = "a.png,P1,m1,L,CC,spiculated,irregular,high,4b,malignant,0.75," + ",".join(
        (_quoted(msgspec.json.encode(outline)), _quoted(encode_shapes(fine)))
    )
    plan = read_folder(*_folder(tmp_path, line), source="site")
    (image,) = plan.images
    (lesion,) = image.lesions
    assert (image.path.name, image.patient, image.laterality, image.view) == (
        "a.png",
        "P1",
        Laterality.LEFT,
        ViewPosition.CC,
    )
    assert lesion.outline == outline and lesion.fine == fine and lesion.finding == "m1"
    labels = lesion.labels
    assert (labels.margin, labels.shape, labels.density) == (
        MarginType.SPICULATED,
        MassShape.IRREGULAR,
        MassDensity.HIGH,
    )
    assert (labels.category, labels.pathology, labels.probability_of_malignancy) == (
        BiradsCategory.MODERATE_SUSPICION,
        Pathology.MALIGNANT,
        0.75,
    )
    assert lesion.fine_reader and plan.issues == ()


def test_circles_and_boxes_have_columns_of_their_own(tmp_path: Path) -> None:
    folder, table = _folder(
        tmp_path, "a.png,10,20,5,,,,", "a.png,,,,1,2,3,5", "b.png,,,,,,,", header="image,x,y,radius,x0,y0,x1,y1"
    )
    first, second = read_folder(folder, table, source="s").images
    assert first.lesions[0].outline == Ellipse(centre=(10, 20), radius_x=5, radius_y=5)
    assert first.lesions[1].outline == Rectangle(box=Box(x0=1, y0=2, x1=3, y1=5))
    assert second.lesions == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("c.png,P", "'c.png' is not in the folder"),
        ("../x.png,P", "lies outside the folder"),
        ("/etc/passwd,P", "lies outside the folder"),
        (",P", "the column image is empty"),
        ("a.png,P,,X,CC", "'X' is not a known laterality; use one of L, R"),
        ("a.png,P,,L,CC,fuzzy", "'fuzzy' is not a known margin"),
        ("a.png,P,,L,CC,spiculated", "no outline"),
        ("a.png,P,,L,CC,,,,,,1.5", "'1.5' is not a valid probability"),
        ("a.png,P,,L,CC,,,,,,,{", "the outline cannot be read"),
        (
            'a.png,P,,L,CC,,,,,,,"{""kind"":""line"",""points"":[],""width"":{""value"":1,""unit"":""px""}}"',
            "outline",
        ),
        ('a.png,P,,L,CC,,,,,,,"{""kind"":""polygon"",""points"":[[1,1],[2,2]]}"', "fewer than three points"),
        ('a.png,P,,L,CC,,,,,,,"{""kind"":""polygon"",""points"":[[1,1],[2,2],[1e9,3]]}"', "coordinate"),
        ('a.png,P,,L,CC,,,,,,,"{""kind"":""polygon"",""points"":[[1,1],[2,2],[3,3]]}"', "encloses nothing"),
        ('a.png,P,,L,CC,,,,,,,"{""kind"":""ellipse"",""centre"":[1,1],""radius_x"":0,""radius_y"":1}"', "radius"),
        ('a.png,P,,L,CC,,,,,,,"{""kind"":""ellipse"",""centre"":[1,1],""radius_x"":1,""radius_y"":1}",x', "fine"),
        ("a.png,Q,,,", "a different patient_id in row 2"),
    ],
)
def test_the_wrong_row_is_named_and_the_rest_imported_only_if_asked(tmp_path: Path, line: str, words: str) -> None:
    folder, table = _folder(tmp_path, "a.png,P", line, "b.png,R")
    with pytest.raises(BadTableError, match="row 3") as caught:
        read_folder(folder, table, source="s")
    assert words in str(caught.value) and "--skip-bad-rows" in str(caught.value)
    plan = read_folder(folder, table, source="s", skip_bad_rows=True)
    assert [image.path.name for image in plan.images] == ["a.png", "b.png"]
    assert [(issue.where, issue.severity) for issue in plan.issues] == [("row 3", Severity.WRONG)]


def test_further_wrong_rows_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BadTableError, match="2 more rows are wrong too"):
        read_folder(*_folder(tmp_path, "x.png", "y.png", "z.png"), source="s")


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    folder, table = _folder(tmp_path, header="picture,patient_id")
    with pytest.raises(BadTableError, match="lacks the column image"):
        read_folder(folder, table, source="s")
    table.write_bytes(b"image\n\x81\x8d\n")
    with pytest.raises(BadTableError, match="UTF-8"):
        read_folder(folder, table, source="s")
    with pytest.raises(BadTableError, match="cannot be read"):
        read_folder(folder, folder / "none.csv", source="s")
    table.write_text('image\n"a.png\n')
    with pytest.raises(BadTableError, match="not a readable table"):
        read_folder(folder, table, source="s")
    table.write_text("image\na.png,P\n")
    with pytest.raises(BadTableError, match="row 2, has 2 cells"):
        read_folder(folder, table, source="s")


def test_semicolons_guards_and_unknown_columns_are_understood(tmp_path: Path) -> None:
    folder, table = _folder(tmp_path, "a.png;'=P;red", header="image;patient_id;colour")
    plan = read_folder(folder, table, source="s")
    assert plan.images[0].patient == "=P"
    assert [issue.sentence for issue in plan.issues] == ["Unknown column 'colour' ignored."]


def test_a_table_with_a_stray_line_end_in_its_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lesions.csv").write_bytes(b"image,pat\rient_id,margin\na.png,1,spiculated\n")
    with pytest.raises(BadTableError, match=r"lesions\.csv"):
        read_folder(tmp_path, tmp_path / "lesions.csv", source="made up")
    with pytest.raises(BadTableError, match=r"lesions\.csv is not a readable table"):
        (tmp_path / "lesions.csv").write_bytes(b'image,patient_id\r"' + b"x" * 200_000 + b"\n")
        read_folder(tmp_path, tmp_path / "lesions.csv", source="made up")
