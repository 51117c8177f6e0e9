"""CMMD (Cui et al. 2021, doi 10.7937/tcia.eqde-4b16): digital mammograms with biopsies, without regions.

``CMMD_clinicaldata_revision.xlsx`` (or the same as CSV) has a row per breast: ID1, LeftRight, Age, number,
abnormality (calcification, mass, both), classification (Benign, Malignant) and subtype. Files lie below a folder
named after the patient (``D1-0001``), side and view are in their headers. No table gives the position of a mass
in an image. So the images are imported without lesions. For every breast with a mass the import reports the biopsy
result,
so that a reader can draw and label the mass.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from core.data.importers.plan import ImportPlan, PlannedImage, refuse_wrong
from core.data.importers.table import Row, read_table
from core.data.importers.words import Notes
from core.data.importers.workbook import read_workbook
from core.domain.errors import BadFileError
from core.domain.messages import message, sentence_of

SOURCE = "CMMD"
TABLES = ("CMMD_clinicaldata_revision.xlsx", "CMMD_clinicaldata_revision.csv")
_REQUIRED = ("id1", "leftright", "abnormality", "classification")
_PATIENT = re.compile(r"D[12]-\d{4}", re.IGNORECASE)
_SIDES = {"L": "left", "R": "right"}
_ABNORMALITIES = {"calcification", "mass", "both"}


def read_cmmd(folder: Path, *, skip_bad_rows: bool = False) -> ImportPlan:
    """Return the images below the folder with the table's data on each breast.

    Raises: BadFileError if there is no table; BadTableError, which names the first wrong row.
    """
    table = next((folder / name for name in TABLES if (folder / name).is_file()), None)
    if table is None:
        raise BadFileError(
            message(
                "{folder} has no {table}; choose the folder that holds the table of CMMD.",
                folder=folder,
                table=TABLES[0],
            )
        )
    notes = Notes()
    images = [_image(folder, path) for path in _dicom_files(folder)]
    there = {image.patient for image in images}
    sides: dict[str, set[str]] = {}
    for row in _rows(table):
        try:
            _take(row, there, sides, notes)
        except ValueError as error:
            notes.wrong(row.where, sentence_of(error))
    kept = [image for image in images if not image.patient or image.patient in sides]
    for image in images:
        if image.patient and image.patient not in sides:
            notes.left_out(
                image.where, message("The table has no row of this image's patient; the image is left out.")
            )
    refuse_wrong(notes.issues, table, skip=skip_bad_rows)
    return ImportPlan(source=SOURCE, images=tuple(kept), issues=tuple(notes.issues), folder=folder)


def _rows(table: Path) -> Iterator[Row]:
    if table.suffix == ".xlsx":
        return read_workbook(table, required=_REQUIRED)
    return read_table(table, required=_REQUIRED)


def _dicom_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names) if name.lower().endswith(".dcm"))


def _image(folder: Path, path: Path) -> PlannedImage:
    inside = path.relative_to(folder)
    # where files lie by examination instead, the header says whose they are
    patient = next((part.upper() for part in inside.parts[:-1] if _PATIENT.fullmatch(part)), "")
    return PlannedImage(path=path, patient=patient, where=inside.as_posix())


def _take(row: Row, there: set[str], sides: dict[str, set[str]], notes: Notes) -> None:
    """``there``: patients with images; ``sides``: of each patient, those that had a row."""
    patient = row.required("id1").upper()
    side, abnormality = row.required("leftright").upper(), row.required("abnormality").lower()
    if not _PATIENT.fullmatch(patient) or side not in _SIDES or abnormality not in _ABNORMALITIES:
        raise ValueError(message("it needs an ID1 such as D1-0001, L or R, and calcification, mass or both."))
    if side in sides.setdefault(patient, set()):
        notes.note(
            row.where,
            message("An earlier row describes the {sides} breast of this patient too.", sides=_SIDES[side]),
        )
    sides[patient].add(side)
    if patient not in there and "" not in there:
        notes.left_out(row.where, message("This row's patient has no image; the row is left out."))
        return
    if abnormality == "calcification":
        return
    result = " ".join(word for word in (row["classification"].lower(), row.get("subtype")) if word)
    notes.left_out(
        row.where,
        message(
            "The mass of the {sides} breast ({result}) has no region in CMMD: the images are "
            "imported without it; draw it and label it.",
            sides=_SIDES[side],
            result=result or "no result",
        ),
    )
