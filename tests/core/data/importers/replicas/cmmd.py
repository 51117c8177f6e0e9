"""CMMD as downloaded: a workbook with a row per breast, files below folders of patients."""

from __future__ import annotations

from pathlib import Path

import openpyxl

from tests.core.data.importers.replicas.files import texture, write_file
from tests.core.data.importers.replicas.truth import Truth

HEADING = ("ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype")

TRUTH = Truth(
    patients=2,
    images=4,
    lesions=0,
    said=(
        "The mass of the left breast (malignant Luminal A) has no region",
        "The mass of the right breast (benign) has no region",
        "no row of this image's patient",
        "This row's patient has no image",
    ),
)


def build(folder: Path) -> Truth:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        HEADING,
        ("D1-0001", "R", 44, 2, "calcification", "Benign", None),
        ("D2-0002", "L", 51, 2, "mass", "Malignant", "Luminal A"),
        ("D2-0002", "R", 51, 2, "both", "Benign", None),
        ("D1-0003", "R", 60, 2, "mass", "Benign", None),
    ):
        sheet.append(row)
    folder.mkdir(parents=True, exist_ok=True)
    book.save(folder / "CMMD_clinicaldata_revision.xlsx")
    for seed, (patient, side, view) in enumerate(
        (
            ("D1-0001", "R", "CC"),
            ("D1-0001", "R", "MLO"),
            ("D2-0002", "L", "CC"),
            ("D2-0002", "R", "CC"),
            ("D1-0099", "L", "CC"),
        ),
        start=40,
    ):
        place = folder / "CMMD" / patient / "07-18-2010-NA-NA-79377" / "1.000000-NA-70244"
        write_file(place / f"1-{seed - 39}.dcm", texture(seed), patient=patient, side=side, view=view)
    return TRUTH
