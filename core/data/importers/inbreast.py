"""INbreast (Moreira et al. 2012, doi 10.1016/j.acra.2011.09.014): digital mammograms with drawn contours.

``INbreast.csv``, separated by semicolons, has a row per image; the mammogram is ``AllDICOMs/<File Name>_<patient>_
MG_<side>_<view>_ANON.dcm``, and only the part after the number identifies the patient (the table's Patient ID
reads "removed"). ``AllXML/<File Name>.xml`` holds the regions as a property list of OsiriX: every region has a
name, in several spellings, and its corners ``Point_px`` as texts such as "(812.5, 1404.25)".

This data set has no margin labels, but radiologists marked spiculated regions by name. A mass that overlaps one is
labelled spiculated, and the import reports this. All other margins are left open. Contours were drawn by hand, so
a band along them replaces a fine annotation. Each image has one BI-RADS category, which is given to its mass if it
has one.
"""

from __future__ import annotations

import plistlib
from collections import Counter
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import msgspec

from core.data.importers.contours import CONTOUR_BAND, band_width, fine_band
from core.data.importers.plan import ImportPlan, PlannedImage, PlannedLesion, refuse_wrong
from core.data.importers.table import Row, member, read_table
from core.data.importers.words import Notes, category, composition
from core.domain.errors import BadFileError
from core.domain.geometry import Point
from core.domain.messages import message, sentence_of
from core.domain.shapes import Polygon, bounds
from core.domain.study import Labels
from core.domain.vocabulary import Laterality, MarginType, ViewPosition

SOURCE = "INbreast"
TABLE = "INbreast.csv"
IMAGES, REGIONS = "AllDICOMs", "AllXML"
LARGEST_LIST = 64 * 2**20
"""Bytes of a property list; the published ones stay below 2 MB."""
_REQUIRED = ("laterality", "view", "file name", "acr", "bi-rads")
_SPICULATED = {"spiculated region", "espiculated region"}
_FARTHEST = 1e5


class _Region(msgspec.Struct, frozen=True):
    """Entries that are read of an OsiriX region; its other entries are ignored."""

    name: str = msgspec.field(default="", name="Name")
    points: list[str] = msgspec.field(default_factory=list, name="Point_px")


class _Picture(msgspec.Struct, frozen=True):
    regions: list[_Region] = msgspec.field(default_factory=list, name="ROIs")


class _RegionList(msgspec.Struct, frozen=True):
    pictures: list[_Picture] = msgspec.field(name="Images")


def read_inbreast(folder: Path, *, skip_bad_rows: bool = False) -> ImportPlan:
    """The mammograms of the table that are in the folder, with their masses.

    BadFileError where there is no ``INbreast.csv``; BadTableError names the first wrong row.
    """
    table = folder / TABLE
    if not table.is_file():
        raise BadFileError(
            message("{folder} has no {table}; choose the folder INbreast Release 1.0.", folder=folder, table=TABLE)
        )
    there: dict[str, list[Path]] = {}
    for path in sorted((folder / IMAGES).glob("*.dcm")):
        there.setdefault(path.name.split("_")[0], []).append(path)
    notes = Notes()
    images = [
        image for row in read_table(table, required=_REQUIRED) if (image := _image(folder, row, there, notes))
    ]
    refuse_wrong(notes.issues, table, skip=skip_bad_rows)
    return ImportPlan(source=SOURCE, images=tuple(images), issues=tuple(notes.issues))


def _image(folder: Path, row: Row, there: dict[str, list[Path]], notes: Notes) -> PlannedImage | None:
    try:
        number = row.required("file name")
        found = there.get(number, [])
        if not found:
            notes.left_out(
                row.where,
                message(
                    "The mammogram {number} is not in {images}; the row is left out.",
                    number=number[:40],
                    images=IMAGES,
                ),
            )
            return None
        parts = found[0].stem.split("_")
        if len(found) > 1 or len(parts) < 2 or not parts[1]:
            raise ValueError(
                message("{name} names no patient, or another file has the same number.", name=found[0].name)
            )
        return PlannedImage(
            path=found[0],
            patient=parts[1],
            laterality=member(row, "laterality", Laterality),
            view=member(row, "view", ViewPosition, otherwise=ViewPosition.OTHER),
            composition=composition(row["acr"]),
            lesions=_lesions(folder, number, row, notes),
            where=row.where,
        )
    except (ValueError, BadFileError) as error:
        notes.wrong(row.where, sentence_of(error))
        return None


def _lesions(folder: Path, number: str, row: Row, notes: Notes) -> tuple[PlannedLesion, ...]:
    path = folder / REGIONS / f"{number}.xml"
    if not path.is_file():
        return ()  # a normal image has no list
    regions = [(_name(region), region) for region in _regions(path)]
    spiculated = [_outline(region, path) for name, region in regions if name in _SPICULATED]
    masses = [outline for name, region in regions if name == "mass" and (outline := _outline(region, path))]
    points = sum(name == "mass" for name, _ in regions) - len(masses)
    if points:
        notes.left_out(
            row.where,
            message(
                "Masses of {file} with fewer than three corners are left out: {points}.",
                points=points,
                file=path.name,
            ),
        )
    others = Counter(name or "unnamed" for name, _ in regions if name != "mass" and name not in _SPICULATED)
    if others:
        counted = ", ".join(f"{count} x {name[:30]}" for name, count in sorted(others.items()))
        notes.left_out(
            row.where,
            message(
                "Regions of {file} that are not masses are left out: {counted}.", file=path.name, counted=counted
            ),
        )
    lesions = []
    for mass in masses:
        spicules = any(other is not None and _overlap(mass, other) for other in spiculated)
        if spicules:
            notes.note(
                row.where,
                message(
                    "A mass of {file} overlaps a spiculated region and was labelled spiculated.", file=path.name
                ),
            )
        lesions.append(_lesion(mass, row, spiculated=spicules, alone=len(masses) == 1))
    return tuple(lesions)


def _lesion(outline: Polygon, row: Row, *, spiculated: bool, alone: bool) -> PlannedLesion:
    band = fine_band(outline, band_width(outline))
    return PlannedLesion(
        outline=outline,
        labels=Labels(
            margin=MarginType.SPICULATED if spiculated else None,
            category=category(row["bi-rads"]) if alone else None,
            comment=f"INbreast: BI-RADS of the image {row['bi-rads']}",
        ),
        # one mass in each view of a side: taken for one finding
        finding=row["laterality"] if alone else "",
        fine=band,
        fine_reader=CONTOUR_BAND if band else "",
        where=row.where,
    )


def _regions(path: Path) -> list[_Region]:
    """Read the regions of all pictures of an OsiriX list (one here).

    Raises: BadFileError if it is no property list.
    """
    if path.stat().st_size > LARGEST_LIST:
        raise BadFileError(
            message(
                "{file} is larger than {limit} MB, too large for a region list.",
                file=path.name,
                limit=LARGEST_LIST // 2**20,
            )
        )
    try:
        # plistlib refuses documents that declare entities
        decoded: Any = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        found = msgspec.convert(decoded, _RegionList)
    except (plistlib.InvalidFileException, ExpatError, ValueError, KeyError, IndexError, TypeError) as error:
        raise BadFileError(
            message(
                "{file} is not a property list of OsiriX ({error}).", file=path.name, error=type(error).__name__
            )
        ) from error
    return [region for picture in found.pictures for region in picture.regions]


def _name(region: _Region) -> str:
    return " ".join(region.name.lower().split())


def _outline(region: _Region, path: Path) -> Polygon | None:
    """None for a region of fewer than three corners; BadFileError where a corner is no pair of numbers."""
    points = tuple(_point(text, path) for text in region.points)
    return Polygon(points=points) if len(points) >= 3 else None


def _point(text: str, path: Path) -> Point:
    try:
        x, y = (float(part) for part in text.strip("() ").split(","))
    except ValueError as error:
        raise BadFileError(
            message(
                "{file} has the corner {text!r}, which is not a pair of numbers.", file=path.name, text=text[:40]
            )
        ) from error
    if not (abs(x) <= _FARTHEST and abs(y) <= _FARTHEST):
        raise BadFileError(message("{file} has a corner far outside any image.", file=path.name))
    return x, y


def _overlap(a: Polygon, b: Polygon) -> bool:
    """Return True if two filled polygons share an area."""
    if bounds(a).intersection(bounds(b)) is None:
        return False
    from shapely import make_valid
    from shapely.geometry import Polygon as Filled

    return bool(make_valid(Filled(a.points)).intersection(make_valid(Filled(b.points))).area > 0)
