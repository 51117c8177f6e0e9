"""EMBED Open Data (Jeong et al. 2023, doi 10.1148/ryai.220047): digital mammograms, findings and pathology.

``EMBED_OpenData_metadata.csv`` has a row per file with its boxes, ``EMBED_OpenData_clinical.csv`` a row per
finding (several, where its pathology takes several); both lie in ``tables``, and there is a ``_reduced`` form of
each. Files are ``images/<cohort>/<patient>/<examination>/<file>.dcm``; the tables' paths begin elsewhere.

Findings are joined to images by the examination (``acc_anon``) and the side: findings of the side B, or without
one, belong to both breasts. Joined by the examination alone, a finding would be given to the wrong breast.
Descriptors are one letter each, and a letter means another thing in another column (S is spiculated as
``massmargin`` and asymmetry as ``massshape``); a field may hold several. No table links boxes to findings. A box
gets a mass's descriptors if the mass is the only finding of its side and the box the only one of its image.
Otherwise its labels are left open.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from core.data.importers.plan import ImportPlan, PlannedImage, PlannedLesion, refuse_wrong
from core.data.importers.table import Row, read_columns
from core.data.importers.words import Notes, composition, one_margin
from core.domain.errors import BadFileError
from core.domain.geometry import Box
from core.domain.messages import message, sentence_of
from core.domain.shapes import Rectangle
from core.domain.study import Labels
from core.domain.vocabulary import (
    BiradsCategory,
    Laterality,
    MarginType,
    MassDensity,
    MassShape,
    Pathology,
    ViewPosition,
)

SOURCE = "EMBED"
METADATA = ("EMBED_OpenData_metadata.csv", "EMBED_OpenData_metadata_reduced.csv")
CLINICAL = ("EMBED_OpenData_clinical.csv", "EMBED_OpenData_clinical_reduced.csv")
_OF_FILE = ("empi_anon", "acc_anon", "anon_dicom_path", "finalimagetype", "imagelateralityfinal", "viewposition")
_OF_FILE_TOO = ("num_roi", "roi_coords", "match_level", "spot_mag")
_OF_FINDING = ("empi_anon", "acc_anon", "side", "numfind", "massshape", "massmargin", "massdens", "asses")
_OF_FINDING_TOO = ("tissueden", "calcfind", "otherfind", "path_severity")

_MARGINS = {
    "D": MarginType.CIRCUMSCRIBED,
    "U": MarginType.OBSCURED,
    "M": MarginType.MICROLOBULATED,
    "I": MarginType.INDISTINCT,
    "S": MarginType.SPICULATED,
}
_SHAPES = {"R": MassShape.ROUND, "O": MassShape.OVAL, "X": MassShape.IRREGULAR}
_MASS_SHAPES = {*_SHAPES, "G"}
"""G: a mass, not further described. The other letters are asymmetries, distortions, ducts and lymph nodes."""
_DENSITIES = {
    "+": MassDensity.HIGH,
    "=": MassDensity.EQUAL,
    "-": MassDensity.LOW,
    "0": MassDensity.FAT_CONTAINING,
}
_CATEGORIES = dict(zip("ANBPSMK", "0123456", strict=True))
_MALIGNANT, _BENIGN = {0, 1}, {2, 3, 4, 5}
"""path_severity: invasive, non-invasive; high-risk, borderline, benign, normal. 6, another cancer, is neither."""
_WHOLE = re.compile(r"(-?\d+)(?:\.0*)?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_TWO_DIMENSIONAL = {"2D", "CVIEW", "C-VIEW"}


@dataclass(kw_only=True)
class _Finding:
    """One finding of an examination, gathered from the rows of its pathology."""

    row: Row
    severities: set[int] = field(default_factory=set)

    @property
    def letters(self) -> list[str]:
        return _letters(self.row["massshape"])

    @property
    def is_mass(self) -> bool:
        shapes = self.letters
        described = bool(_letters(self.row["massmargin"]) or self.row["massdens"])
        return any(letter in _MASS_SHAPES for letter in shapes) or (described and not shapes)

    @property
    def is_something(self) -> bool:
        return any(self.row.get(name) for name in ("massshape", "massmargin", "massdens", "calcfind", "otherfind"))


@dataclass(frozen=True, kw_only=True)
class _Clinical:
    """Contents of the clinical table."""

    findings: dict[tuple[str, str], list[_Finding]] = field(default_factory=dict)
    """By examination and side, L or R."""
    density: dict[str, str] = field(default_factory=dict)
    """By examination."""


def read_embed(folder: Path, *, skip_bad_rows: bool = False) -> ImportPlan:
    """The two-dimensional images that are in the folder, with their boxes.

    BadFileError where a table is missing; BadTableError names the first wrong row.
    """
    metadata, clinical = _table(folder, METADATA), _table(folder, CLINICAL)
    notes = Notes()
    said = _clinical(clinical, notes)
    there = _files(folder)
    images: list[PlannedImage] = []
    missing = 0
    for row in read_columns(metadata, required=_OF_FILE, wanted=_OF_FILE_TOO):
        where = f"{metadata.name}, {row.where}"
        path = there.get(_tail(row["anon_dicom_path"]))
        if path is None:
            missing += 1
            continue
        try:
            image = _image(path, row, where, said, notes)
            if image is not None:
                images.append(image)
        except ValueError as error:
            notes.wrong(where, sentence_of(error))
    if missing:
        notes.note(
            "",
            message(
                "{count} of the files that {metadata} lists are not in the folder.",
                count=missing,
                metadata=metadata.name,
            ),
        )
    refuse_wrong(notes.issues, None, skip=skip_bad_rows)
    return ImportPlan(source=SOURCE, images=tuple(images), issues=tuple(notes.issues), folder=folder)


def table_of(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these tables that is in ``tables`` or in the folder itself."""
    places = [place / name for name in names for place in (folder / "tables", folder)]
    return next((place for place in places if place.is_file()), None)


def _table(folder: Path, names: tuple[str, ...]) -> Path:
    found = table_of(folder, names)
    if found is None:
        raise BadFileError(
            message(
                "{folder} has no tables/{table}; choose the folder that holds images and tables.",
                folder=folder,
                table=names[0],
            )
        )
    return found


def _files(folder: Path) -> dict[tuple[str, ...], Path]:
    """The files by their last three parts: patient, examination, file."""
    found: dict[tuple[str, ...], Path] = {}
    for place, folders, names in os.walk(folder / "images" if (folder / "images").is_dir() else folder):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(".dcm"):
                path = Path(place, name)
                found[path.parts[-3:]] = path
    return found


def _tail(path: str) -> tuple[str, ...]:
    return tuple(path.replace("\\", "/").split("/")[-3:])


def _clinical(clinical: Path, notes: Notes) -> _Clinical:
    said = _Clinical()
    by_key: dict[tuple[str, str, str], _Finding] = {}
    for row in read_columns(clinical, required=_OF_FINDING, wanted=_OF_FINDING_TOO):
        examination, side = _whole(row["acc_anon"]), row["side"].upper()
        if side not in ("", "B", "L", "R"):
            notes.wrong(
                f"{clinical.name}, {row.where}",
                message("{side!r} is not a side; use L, R or B, or leave it empty.", side=side[:20]),
            )
            continue
        said.density.setdefault(examination, row.get("tissueden"))
        key = (examination, side, _whole(row["numfind"]))
        if key not in by_key:
            by_key[key] = _Finding(row=row)
            for one in ("L", "R") if side in ("", "B") else (side,):
                said.findings.setdefault((examination, one), []).append(by_key[key])
        if severity := _whole(row.get("path_severity")):
            by_key[key].severities.add(int(severity))
    return said


def _image(path: Path, row: Row, where: str, said: _Clinical, notes: Notes) -> PlannedImage | None:
    kind = row["finalimagetype"].upper()
    if kind not in _TWO_DIMENSIONAL:
        notes.left_out(
            where,
            message(
                "{file} has the type {kind}, not a 2D or C-view image.",
                file=path.name,
                kind=kind[:20] or "unknown",
            ),
        )
        return None
    side = row["imagelateralityfinal"].upper()
    if side not in ("L", "R"):
        raise ValueError(message("{file} has no side; L or R is expected.", file=path.name))
    boxes = _boxes(row)
    examination = _whole(row["acc_anon"])
    of_side = [finding for finding in said.findings.get((examination, side), []) if finding.is_something]
    if _whole(row.get("spot_mag")) == "1":
        notes.note(
            where, message("{file} is a spot compression or magnification, not a whole breast.", file=path.name)
        )
    view = row["viewposition"].upper()
    return PlannedImage(
        path=path,
        patient=_whole(row.required("empi_anon")),
        laterality=Laterality(side),
        view=ViewPosition(view) if view in ("CC", "MLO") else ViewPosition.OTHER,
        composition=composition(said.density.get(examination, "")),
        lesions=_lesions(boxes, of_side, row, where, notes),
        where=where,
    )


def _boxes(row: Row) -> list[Box]:
    """ROI_coords: (ymin, xmin, ymax, xmax) for each box. ValueError where their number is not num_roi."""
    numbers = [float(text) for text in _NUMBER.findall(row.get("roi_coords"))]
    count = _whole(row.get("num_roi"))
    if len(numbers) % 4 or (count and int(count) * 4 != len(numbers)):
        raise ValueError(message("its ROI_coords and num_roi give different numbers of boxes."))
    boxes = []
    for at in range(0, len(numbers), 4):
        y0, x0, y1, x1 = numbers[at : at + 4]
        if not (0 <= x0 < x1 and 0 <= y0 < y1):
            raise ValueError(message("one of its ROI_coords is not a box (ymin, xmin, ymax, xmax)."))
        boxes.append(Box(x0=x0, y0=y0, x1=x1, y1=y1))
    return boxes


def _lesions(
    boxes: list[Box], of_side: list[_Finding], row: Row, where: str, notes: Notes
) -> tuple[PlannedLesion, ...]:
    if not boxes:
        return ()
    if of_side and not any(finding.is_mass for finding in of_side):
        notes.left_out(where, message("Its boxes are left out: no finding of that side is a mass."))
        return ()
    labels, finding = Labels(comment="EMBED: box without a finding of its own"), ""
    if len(boxes) == len(of_side) == 1:
        labels = _labels(of_side[0], where, notes)
        # the same finding in the other view of this examination
        finding = " ".join((_whole(row["acc_anon"]), row["imagelateralityfinal"], of_side[0].row["numfind"]))
    else:
        sentence = message(
            "Its boxes ({boxes}) and the findings of its side ({findings}) differ in number",
            boxes=len(boxes),
            findings=len(of_side),
        )
        notes.note(
            where,
            message(
                "{sentence}; it is not known which belongs to which, so no labels were taken.", sentence=sentence
            ),
        )
    secondary = any(_whole(level) == "2" for level in re.split(r"[\s,\[\]()]+", row.get("match_level")) if level)
    if secondary:
        notes.note(where, message("A box was carried over from another image of the same view (match level 2)."))
    return tuple(
        PlannedLesion(outline=Rectangle(box=box), labels=labels, finding=finding, where=where) for box in boxes
    )


def _labels(finding: _Finding, where: str, notes: Notes) -> Labels:
    row = finding.row
    margin, doubt = one_margin(_letters(row["massmargin"]), _MARGINS)
    if doubt:
        notes.note(where, message("Labels of the mass: {doubt}.", doubt=doubt))
    shapes = [_SHAPES[letter] for letter in finding.letters if letter in _SHAPES]
    severity = min(finding.severities, default=None)
    pathology = (
        Pathology.MALIGNANT if severity in _MALIGNANT else Pathology.BENIGN if severity in _BENIGN else None
    )
    category = _CATEGORIES.get(row["asses"].upper())
    words = {name: row.get(name) for name in ("massshape", "massmargin", "massdens", "path_severity")}
    return Labels(
        margin=margin,
        shape=shapes[0] if len(shapes) == 1 else None,
        density=_DENSITIES.get(row["massdens"].removesuffix(".0")),
        category=None if category is None else BiradsCategory(category),
        pathology=pathology,
        comment="EMBED: " + ", ".join(f"{name} {word}" for name, word in words.items() if word),
    )


def _letters(text: str) -> list[str]:
    """The codes of a field: one letter each, with or without separators."""
    return [letter for letter in text.upper() if letter.isalnum()]


def _whole(text: str) -> str:
    """An identifier that a spreadsheet may have written as 60696029.0."""
    match = _WHOLE.fullmatch(text.strip())
    return match[1] if match else text.strip()
