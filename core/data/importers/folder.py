"""A folder of images with a CSV of lesions: the program's own layout, which the phantom writes too.

One row per lesion; an image with several lesions has several rows, an image without any has one row without an
outline. The header is row 1; columns may come in any order, and only ``image`` is required:

- ``image``: file, relative to the folder. ``patient_id``: the same for all images of a patient; empty: taken from
  the DICOM header. ``finding``: the same word for one mass in several views of a patient.
- ``laterality`` (L, R), ``view`` (CC, MLO, other); empty: from the DICOM header.
- ``margin``, ``shape``, ``density``, ``category`` (BI-RADS, in the words of ``core.domain.vocabulary``),
  ``pathology`` (benign, malignant; empty without a biopsy), ``probability`` of malignancy (0 to 1).
- ``outline``: one shape (rectangle, ellipse or polygon) as JSON in the syntax of ``core.domain.shapes``, alone or
  as an array of one; or the columns ``x,y,radius`` or ``x0,y0,x1,y1``. Pixels, origin at the top left corner.
- ``frame``: the slice of a tomosynthesis that the lesion lies on, from 1.
- ``fine``: a JSON array of shapes, the fine annotation; ``reader``: who made it.
- ``spacing_mm``: side of a pixel where the files do not give it. ``comment``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from core.data.importers.contours import crosses_itself, filled_area, outline_area
from core.data.importers.images import find_files, listed, walk
from core.data.importers.named_files import forget_folder, the_file
from core.data.importers.plan import ImportPlan, Issue, PlannedImage, PlannedLesion, Severity, refuse_wrong
from core.data.importers.table import Row, header_of, member, parsed_number, read_table
from core.data.importers.table_text import key_of
from core.data.importers.workbook import read_workbook, workbook_header
from core.domain.errors import BadTableError
from core.domain.geometry import Box
from core.domain.messages import message, sentence_of
from core.domain.shapes import Ellipse, Polygon, Rectangle, Role, Shape, decode_shapes
from core.domain.study import Labels, LesionOutline
from core.domain.vocabulary import (
    BiradsCategory,
    Laterality,
    MarginType,
    MassDensity,
    MassShape,
    Pathology,
    ViewPosition,
)
from core.imaging.formats.dicom_place import side_and_view

COLUMNS = (
    "image",
    "patient_id",
    "finding",
    "laterality",
    "view",
    "margin",
    "shape",
    "density",
    "category",
    "pathology",
    "probability",
    "outline",
    "fine",
)
"""The columns that the phantom and the export write."""
OPTIONAL_COLUMNS = ("x", "y", "radius", "x0", "y0", "x1", "y1", "frame", "reader", "spacing_mm", "comment")
DEFAULT_READER = "import"
DEFAULT_TABLE = "lesions.csv"
WORKBOOKS = (".xlsx", ".xlsm")
UNREADABLE_ENDINGS = (".xls", ".xlsb", ".ods", ".numbers")
TABLE_ENDINGS = (".csv", ".tsv", ".txt", *WORKBOOKS)
_LARGEST = 1e6
_EMPTY = frozenset(("nan", "na", "n/a", "#n/a", "#nv", "none", "null", "nil", "-", "--", "."))
"""Words of pandas, R, SQL, Excel (#NV: in German) and SAS for an empty cell."""
_ROUNDED = re.compile(r"\d(?:[.,]\d+)?e\+\d+", re.IGNORECASE)
_FLOAT = re.compile(r"(\d+)[.,]0+")
_MARGIN_WORDS = {
    **dict.fromkeys(
        ("ill-defined", "ill defined", "illdefined", "indistinct (ill-defined)"), MarginType.INDISTINCT
    ),
    **dict.fromkeys(
        ("well-defined", "well defined", "well-circumscribed", "well circumscribed"), MarginType.CIRCUMSCRIBED
    ),
}
"""Words of earlier editions of BI-RADS."""
_CROSSED = 0.5
"""Share of what is filled that the signed area must reach; small loops of a drawn contour leave more."""


def read_folder(
    folder: Path, table: Path, *, source: str, reader: str = DEFAULT_READER, skip_bad_rows: bool = False
) -> ImportPlan:
    """Return the images that the table names; ``reader`` made the fine annotations where no column names a reader.

    The table is a CSV, or an Excel workbook of which the sheet with the column ``image`` is read.

    Raises: BadTableError, which names the first wrong row and counts the rest, unless bad rows are to be skipped.
    Skipped rows are listed among the plan's issues.
    """
    forget_folder()
    rows, header = _table(table)
    known_columns = {key_of(name) for name in (*COLUMNS, *OPTIONAL_COLUMNS)}
    issues = [_unknown_column(name) for name in header if key_of(name) not in known_columns]
    images: dict[Path, PlannedImage] = {}
    for row in map(_without_placeholders, rows):
        try:
            issues += _take(images, folder, row, reader)
        except ValueError as error:
            issues.append(Issue(where=row.where, sentence=sentence_of(error), severity=Severity.WRONG))
    refuse_wrong(issues, table, skip=skip_bad_rows)
    issues += _not_named(folder, table, images)
    return ImportPlan(source=source, images=tuple(images.values()), issues=tuple(issues))


def _without_placeholders(row: Row) -> Row:
    """The row with "" where a program wrote a word for an empty cell."""
    for column, text in row.cells.items():
        if text.lower() in _EMPTY and column != "comment":
            row.cells[column] = ""
    return row


def _unknown_column(name: str) -> Issue:
    """A warning where a known column has nearly the same name, else a note."""
    near = get_close_matches(name.strip().lower(), (*COLUMNS, *OPTIONAL_COLUMNS), n=1, cutoff=0.8)
    if near:
        sentence = message("Unknown column {name!r} ignored; did you mean {near!r}?", name=name, near=near[0])
        return Issue(where="row 1", sentence=sentence, severity=Severity.LEFT_OUT)
    return Issue(
        where="row 1", sentence=message("Unknown column {name!r} ignored.", name=name), severity=Severity.NOTE
    )


def _table(table: Path) -> tuple[Iterator[Row], tuple[str, ...]]:
    """Rows and names of the columns."""
    suffix = table.suffix.lower()
    if suffix in WORKBOOKS:
        return read_workbook(table, required=("image",)), workbook_header(table, required=("image",))
    if suffix in UNREADABLE_ENDINGS:
        raise BadTableError(
            message(
                "{table} is a kind of workbook that cannot be read; save it as XLSX or CSV, or import the "
                "images alone with the layout images.",
                table=table.name,
            )
        )
    return read_table(table, required=("image",)), header_of(table, required=("image",))


def _take(images: dict[Path, PlannedImage], folder: Path, row: Row, reader: str) -> list[Issue]:
    """Add the row's image, or its lesion to the image that is there; a row that repeats another adds nothing."""
    image, lesion = _image(folder, row), _lesion(row, reader)
    known = images.get(image.path)
    if known is None:
        images[image.path] = image if lesion is None else replace(image, lesions=(lesion,))
    else:
        _refuse_contradiction(known, image)
        twin = next(
            (other for other in known.lesions if lesion and replace(other, where=lesion.where) == lesion), None
        )
        if twin is not None or (lesion is None and not known.lesions):
            first = known.where if twin is None else twin.where
            sentence = message("It repeats {first} and was ignored.", first=first)
            return [Issue(where=row.where, sentence=sentence, severity=Severity.NOTE)]
        if lesion is not None:
            images[image.path] = replace(known, lesions=(*known.lesions, lesion))
    crossing = lesion is not None and isinstance(lesion.outline, Polygon) and crosses_itself(lesion.outline)
    sentence = message("The outline crosses itself; where it overlaps itself, nothing is marked.")
    return [Issue(where=row.where, sentence=sentence, severity=Severity.NOTE)] if crossing else []


def _not_named(folder: Path, table: Path, images: dict[Path, PlannedImage]) -> list[Issue]:
    """A note on the image files of the folder that the table does not name."""
    root, own = folder.resolve(), table.resolve()
    # only files that are not named are opened: a folder may hold a hundred thousand
    others = [path for path in walk(root) if path not in images and path != own]
    left = [path.relative_to(root).as_posix() for path, _ in find_files(others, root).images]
    if not left:
        return []
    sentence = message(
        "Images of the folder that {table} does not name are left out ({count}): {left}.",
        table=table.name,
        count=len(left),
        left=listed(left),
    )
    return [Issue(where="", sentence=sentence, severity=Severity.NOTE)]


def _image(folder: Path, row: Row) -> PlannedImage:
    spacing = parsed_number(row, "spacing_mm", smallest=1e-4, largest=10.0)
    return PlannedImage(
        path=the_file(folder, row),
        patient=_patient(row),
        laterality=side_and_view(row.get("laterality"))[0] or member(row, "laterality", Laterality),
        view=side_and_view(row.get("view"))[1] or member(row, "view", ViewPosition),
        spacing_mm=spacing,
        spacing_source="column spacing_mm" if spacing is not None else "",
        where=row.where,
    )


def _patient(row: Row) -> str:
    """The identifier in a row.

    Raises: ValueError for one that a spreadsheet has rounded, which several patients may share.
    """
    text = row.get("patient_id")
    if _ROUNDED.fullmatch(text):
        raise ValueError(
            message(
                "the patient_id {text!r} was rounded by a spreadsheet, and several patients may have become one; "
                "format the column as text and save it again.",
                text=text,
            )
        )
    # a column of numbers with gaps is written with a decimal point
    whole = _FLOAT.fullmatch(text)
    return whole[1] if whole else text


def _margin(row: Row) -> MarginType | None:
    return _MARGIN_WORDS.get(row.get("margin").lower()) or member(row, "margin", MarginType)


def _probability(row: Row) -> float | None:
    """From 0 to 1, or in percent."""
    text = row.get("probability")
    if not text.endswith("%"):
        return parsed_number(row, "probability", smallest=0.0, largest=1.0)
    row.cells["probability"] = text.removesuffix("%").strip()
    percent = parsed_number(row, "probability", smallest=0.0, largest=100.0)
    return None if percent is None else percent / 100


def _refuse_contradiction(known: PlannedImage, again: PlannedImage) -> None:
    for name, word in (("patient", "patient_id"), ("laterality", "laterality"), ("view", "view")):
        if getattr(known, name) != getattr(again, name):
            raise ValueError(
                message(
                    "{image} has a different {word} in {where}.",
                    image=known.path.name,
                    word=word,
                    where=known.where,
                )
            )


def _lesion(row: Row, reader: str) -> PlannedLesion | None:
    """Return the lesion of a row, None for an image without one. Raises: ValueError, which names the defect."""
    labels = Labels(
        margin=_margin(row),
        shape=member(row, "shape", MassShape),
        density=member(row, "density", MassDensity),
        category=member(row, "category", BiradsCategory),
        pathology=member(row, "pathology", Pathology),
        probability_of_malignancy=_probability(row),
        comment=row.get("comment"),
    )
    outline, fine = _outline(row), _fine(row)
    if outline is None:
        if labels != Labels(comment=labels.comment) or fine or row.get("finding"):
            raise ValueError(message("the row describes a lesion but gives no outline."))
        return None
    return PlannedLesion(
        outline=outline,
        labels=labels,
        finding=row.get("finding"),
        fine=fine,
        fine_reader=(row.get("reader") or reader) if fine else "",
        frame=int(parsed_number(row, "frame", smallest=1, largest=10_000) or 1) - 1,
        where=row.where,
    )


def _outline(row: Row) -> LesionOutline | None:
    outline: LesionOutline
    if row.get("outline"):
        try:
            decoded = msgspec.json.decode(row["outline"], type=LesionOutline | tuple[LesionOutline])
            outline = decoded[0] if isinstance(decoded, tuple) else decoded
        except (msgspec.MsgspecError, ValueError) as error:
            raise ValueError(message("the outline cannot be read ({error}).", error=error)) from error
    else:
        circle = _numbers(row, ("x", "y", "radius"))
        box = _numbers(row, ("x0", "y0", "x1", "y1"))
        if circle is not None and box is not None:
            raise ValueError(message("both a circle and a box are given; one outline is enough."))
        if circle is not None:
            outline = Ellipse(
                centre=(circle[0], circle[1]), radius_x=circle[2], radius_y=circle[2], role=Role.MARGIN
            )
        elif box is not None:
            if box[2] <= box[0] or box[3] <= box[1]:
                raise ValueError(message("the box needs x0 < x1 and y0 < y1."))
            outline = Rectangle(box=Box(x0=box[0], y0=box[1], x1=box[2], y1=box[3]))
        else:
            return None
    return checked_outline(outline)


def checked_outline(outline: LesionOutline) -> LesionOutline:
    """Return an outline that encloses something. Raises: ValueError, which names the defect."""
    if isinstance(outline, Polygon) and len(outline.points) < 3:
        raise ValueError(message("the outline is a polygon of fewer than three points."))
    if isinstance(outline, Ellipse) and min(outline.radius_x, outline.radius_y) <= 0:
        raise ValueError(message("the outline needs a positive radius."))
    if outline.erases:
        raise ValueError(message("the outline cannot be a shape that erases."))
    refuse_wild_numbers(outline, "outline")
    _refuse_empty(outline)
    return outline


def _refuse_empty(outline: LesionOutline) -> None:
    """ValueError for an outline that marks less than a pixel, or whose parts cancel each other."""
    area = outline_area(outline)
    filled = filled_area(outline) if isinstance(outline, Polygon) and crosses_itself(outline) else 0.0
    # the signed areas of the parts of a figure of eight cancel each other
    if area < _CROSSED * filled:
        raise ValueError(message("the outline crosses itself; give the corners in their order around the mass."))
    if area <= 0:
        raise ValueError(message("the outline encloses nothing."))
    if area < 1:
        raise ValueError(
            message(
                "the outline encloses {area:.2g} of a pixel; are its coordinates those of the image?", area=area
            )
        )


def _fine(row: Row) -> tuple[Shape, ...]:
    if not row.get("fine"):
        return ()
    try:
        shapes = decode_shapes(row["fine"])
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError(message("the fine annotation cannot be read ({error}).", error=error)) from error
    for shape in shapes:
        refuse_wild_numbers(shape, "fine annotation")
    return shapes


def refuse_wild_numbers(shape: Shape, what: str) -> None:
    """ValueError for a shape with a coordinate that no image has."""

    def check(value: Any) -> None:
        if isinstance(value, dict):
            for part in value.values():
                check(part)
        elif isinstance(value, (list, tuple)):
            for part in value:
                check(part)
        elif isinstance(value, float) and not (math.isfinite(value) and abs(value) <= _LARGEST):
            raise ValueError(message("the {what} has a coordinate of {value:g}.", what=what, value=value))

    check(msgspec.to_builtins(shape))


def _numbers(row: Row, columns: tuple[str, ...]) -> list[float] | None:
    """The numbers of all these columns; None where all are empty; ValueError where some are."""
    values = [parsed_number(row, name, smallest=-_LARGEST, largest=_LARGEST) for name in columns]
    if all(value is None for value in values):
        return None
    if any(value is None for value in values):
        raise ValueError(
            message(
                "{columns} and {last} must all be filled in (or all left empty).",
                columns=", ".join(columns[:-1]),
                last=columns[-1],
            )
        )
    if columns[-1] == "radius" and (values[-1] or 0.0) <= 0:
        raise ValueError(message("the radius is not positive."))
    return [value for value in values if value is not None]
