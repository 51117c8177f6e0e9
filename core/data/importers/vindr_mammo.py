"""VinDr-Mammo (Nguyen et al. 2023, doi 10.1038/s41597-023-02100-7): digital mammograms with boxes.

``finding_annotations.csv`` has a row per box, or one with the category "No Finding";
``breast-level_annotations.csv`` a row per image. Files are ``images/<study_id>/<image_id>.dicom``. Identifiers are
digests: the UIDs in the headers are no DICOM UIDs, so nothing can be sent back with them (the import reports and
drops them). There is no patient identifier: every examination counts as a patient of its own, as its authors
describe it.

``finding_categories`` is a list of words in brackets; a box is a mass where "Mass" is among them. No margin is
given: a reader must label it. Boxes are in pixels of an image of the size that the row names.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from core.data.importers.plan import ImportPlan, PlannedImage, PlannedLesion, refuse_wrong
from core.data.importers.table import Row, member, parsed_number, read_table
from core.data.importers.words import Notes, category, composition
from core.domain.errors import BadFileError
from core.domain.geometry import Box
from core.domain.messages import message, sentence_of
from core.domain.shapes import Rectangle
from core.domain.study import Labels
from core.domain.vocabulary import Laterality, ViewPosition

SOURCE = "VinDr-Mammo"
FINDINGS, BREASTS = "finding_annotations.csv", "breast-level_annotations.csv"
_OF_IMAGE = ("study_id", "image_id", "laterality", "view_position", "height", "width", "breast_density")
_OF_FINDING = (*_OF_IMAGE, "finding_categories", "finding_birads", "xmin", "ymin", "xmax", "ymax")
_WORD = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_DIGEST = re.compile(r"[0-9A-Za-z.]{1,64}")


def read_vindr_mammo(folder: Path, *, skip_bad_rows: bool = False) -> ImportPlan:
    """The images of the tables that are in the folder, with the boxes of their masses.

    BadFileError where there is no ``finding_annotations.csv``; BadTableError names the first wrong row.
    """
    if not (folder / FINDINGS).is_file():
        raise BadFileError(
            message(
                "{folder} has no {table}; choose the folder that holds the tables of VinDr-Mammo.",
                folder=folder,
                table=FINDINGS,
            )
        )
    notes = Notes()
    rows: dict[str, tuple[str, Row]] = {}
    lesions: dict[str, list[PlannedLesion]] = {}
    for row in read_table(folder / FINDINGS, required=_OF_FINDING):
        where = f"{FINDINGS}, {row.where}"
        rows.setdefault(row["image_id"], (where, row))
        try:
            lesion = _lesion(row, where, notes)
            if lesion is not None:
                lesions.setdefault(row["image_id"], []).append(lesion)
        except ValueError as error:
            notes.wrong(where, sentence_of(error))
    if (folder / BREASTS).is_file():
        for row in read_table(folder / BREASTS, required=_OF_IMAGE):
            rows.setdefault(row["image_id"], (f"{BREASTS}, {row.where}", row))
    images = [
        image
        for name, (where, row) in rows.items()
        if (image := _image(folder, row, where, tuple(lesions.get(name, ())), notes)) is not None
    ]
    refuse_wrong(notes.issues, None, skip=skip_bad_rows)
    if images:
        notes.note(
            "", message("VinDr-Mammo names no patients: each examination is treated as a separate patient.")
        )
    return ImportPlan(source=SOURCE, images=tuple(images), issues=tuple(notes.issues))


def _image(
    folder: Path, row: Row, where: str, lesions: tuple[PlannedLesion, ...], notes: Notes
) -> PlannedImage | None:
    try:
        study, name = row.required("study_id"), row.required("image_id")
        if not (_DIGEST.fullmatch(study) and _DIGEST.fullmatch(name) and {study, name}.isdisjoint({".", ".."})):
            raise ValueError(message("its study_id or image_id cannot name a file."))
        path = folder / "images" / study / f"{name}.dicom"
        if not path.is_file():
            notes.left_out(
                where,
                message("{file} is not in images/{study}; the image is left out.", file=path.name, study=study),
            )
            return None
        return PlannedImage(
            path=path,
            patient=study,
            laterality=member(row, "laterality", Laterality),
            view=member(row, "view_position", ViewPosition, otherwise=ViewPosition.OTHER),
            composition=composition(row["breast_density"]),
            lesions=lesions,
            where=where,
        )
    except ValueError as error:
        notes.wrong(where, sentence_of(error))
        return None


def _lesion(row: Row, where: str, notes: Notes) -> PlannedLesion | None:
    """None for a row without a mass, which is noted."""
    words = [a or b for a, b in _WORD.findall(row["finding_categories"])]
    if words == ["No Finding"]:
        return None
    if not words:
        raise ValueError(
            message("{text!r} is not a list of finding categories.", text=row["finding_categories"][:40])
        )
    if "Mass" not in words:
        notes.left_out(
            where, message("A finding that is not a mass is left out: {words}.", words=", ".join(words)[:80])
        )
        return None
    edges = [parsed_number(row, name, smallest=-1e5, largest=1e5) for name in ("xmin", "ymin", "xmax", "ymax")]
    size = [parsed_number(row, name, smallest=1, largest=1e5) for name in ("width", "height")]
    x0, y0, x1, y1 = (math.nan if edge is None else edge for edge in edges)
    if not (x0 < x1 and y0 < y1) or None in size:
        raise ValueError(message("the mass has no box, or its image no size."))
    others = [word for word in words if word != "Mass"]
    return PlannedLesion(
        outline=Rectangle(box=Box(x0=x0, y0=y0, x1=x1, y1=y1)),
        drawn_on=(int(size[0] or 0), int(size[1] or 0)),
        labels=Labels(
            category=category(row["finding_birads"]),
            comment=f"VinDr-Mammo: also {', '.join(others)}" if others else "",
        ),
        where=where,
    )
