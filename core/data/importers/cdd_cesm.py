"""CDD-CESM (Khaled et al. 2022, doi 10.7937/29kw-ae92): ordinary digital mammograms with drawn regions.

``index.csv`` has a row per image. Images in ``full/`` have the radiologist's regions as VIA shapes in the column
``contours`` (pixels, origin top left); those in ``half/`` a filled mask of the same name in ``half-masks/``.
The margin word comes from the report of the whole image: where an image has several regions it is not known
which one the word describes, so that a person must choose. No image has a pixel spacing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from numpy.typing import NDArray

from core.data.importers.contours import (
    CONTOUR_BAND,
    band_width,
    breast_area,
    fine_band,
    outline_area,
    traced_outlines,
)
from core.data.importers.named_files import the_file
from core.data.importers.plan import ImportPlan, Issue, PlannedImage, PlannedLesion, Severity, refuse_wrong
from core.data.importers.table import Row, member, parsed_number, read_table
from core.domain.errors import BadFileError
from core.domain.geometry import Point
from core.domain.messages import Sentence, message, sentence_of
from core.domain.shapes import Ellipse, Polygon, Role
from core.domain.study import Labels, LesionOutline
from core.domain.vocabulary import (
    BiradsCategory,
    BreastComposition,
    Laterality,
    MarginType,
    Pathology,
    ViewPosition,
)

SOURCE = "CDD-CESM"
LARGEST_REGION = 0.2
"""Share of the breast. A contour around more of it outlines a quarter of the breast or all of it, not a mass
(P211: 23% and 26%, P306: 53%); the largest one below is 19.5%."""
SMALLEST_BREAST = 0.1
"""Share of an image: regions that are small beside it need no look at the breast."""

ReadMask = Callable[[Path], NDArray[Any]]
"""Decodes a foreign grey image file; the caller decides where (in a child process)."""

_REQUIRED = (
    "image",
    "patient_id",
    "laterality",
    "view",
    "mass",
    "margin",
    "pathology",
    "width",
    "height",
    "contours",
)


class RegionChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which region of an image a person chose, and the margin he gives it, if it is not the image's word."""

    region: int
    """From 1, in the order of the contours (of the mask's regions by falling size)."""
    margin: MarginType | None = None


Choices = Mapping[str, RegionChoice]
"""By the image's name in the table, such as ``full/P3_L_DM_CC.jpg``."""


def read_choices(table: Path) -> dict[str, RegionChoice]:
    """A CSV with the columns image, region and, if wanted, margin; BadTableError names a wrong row."""
    choices: dict[str, RegionChoice] = {}
    issues: list[Issue] = []
    for row in read_table(table, required=("image", "region")):
        try:
            region = int(parsed_number(row, "region", smallest=1, largest=10_000) or 0)
            choices[row.required("image")] = RegionChoice(region=region, margin=member(row, "margin", MarginType))
        except ValueError as error:
            issues.append(Issue(where=row.where, sentence=sentence_of(error), severity=Severity.WRONG))
    refuse_wrong(issues, table, skip=False)
    return choices


def read_cdd_cesm(
    folder: Path, *, read_mask: ReadMask, choices: Choices | None = None, skip_bad_rows: bool = False
) -> ImportPlan:
    """The images of the folder, with the masses whose margin word describes them beyond doubt.

    An image in both sizes is imported in full size only. BadFileError without ``index.csv``.
    """
    table = folder / "index.csv"
    if not table.is_file():
        raise BadFileError(
            message(
                "{folder} has no index.csv, the table of CDD-CESM; choose the folder that holds it.", folder=folder
            )
        )
    reader = _CddCesmTables(folder=folder, read_mask=read_mask, choices=choices or {}, issues=[])
    rows = list(read_table(table, required=_REQUIRED))
    full = {_identity(row) for row in rows if row["image"].startswith("full/")}
    doubled = [row for row in rows if not row["image"].startswith("full/") and _identity(row) in full]
    left_out = {row.where for row in doubled}
    images = [image for row in rows if row.where not in left_out if (image := reader.image(row)) is not None]
    if doubled:
        sentence = message(
            "{count} images exist in two sizes (same patient, side and view); the full size is used.",
            count=len(doubled),
        )
        reader.say("", sentence, Severity.LEFT_OUT)
    reader.note_unused_choices()
    refuse_wrong(reader.issues, table, skip=skip_bad_rows)
    return ImportPlan(source=SOURCE, images=tuple(images), issues=tuple(reader.issues))


def _identity(row: Row) -> tuple[str, str, str]:
    return row["patient_id"], row["laterality"], row["view"]


class _CddCesmTables:
    """Reader of the tables, row by row; collects the notes about the rows."""

    def __init__(self, *, folder: Path, read_mask: ReadMask, choices: Choices, issues: list[Issue]) -> None:
        self.folder = folder
        self.read_mask = read_mask
        self.choices = choices
        self.issues = issues
        self.unused = set(choices)

    def say(self, where: str, sentence: Sentence, severity: Severity = Severity.NOTE) -> None:
        self.issues.append(Issue(where=where, sentence=sentence, severity=severity))

    def note_unused_choices(self) -> None:
        for name in sorted(self.unused):
            self.say(
                "",
                message("A region was chosen for {name}, which has none to choose from.", name=name),
                Severity.NOTE,
            )

    def image(self, row: Row) -> PlannedImage | None:
        try:
            path = the_file(self.folder, row)
            lesion = self._lesion(row, path)
            return PlannedImage(
                path=path,
                patient=row.required("patient_id"),
                laterality=member(row, "laterality", Laterality),
                view=member(row, "view", ViewPosition, otherwise=ViewPosition.OTHER),
                composition=_composition(row.get("breast_density", "")),
                lesions=() if lesion is None else (lesion,),
                where=row.where,
            )
        except (ValueError, BadFileError) as error:
            self.say(row.where, sentence_of(error), Severity.WRONG)
            return None

    def _lesion(self, row: Row, path: Path) -> PlannedLesion | None:
        if row["mass"].strip().lower() != "yes":
            return None
        name = row["image"]
        outlines = self._outlines(row, path)
        chosen = self._chosen(row, path, outlines)
        if chosen is None:
            return None
        outline, margin = chosen
        words = [word for word in row["margin"].split("+") if word.strip()]
        if margin is None and len(words) > 1:
            sentence = message(
                "{name} has one region but several margins ({row}); its margin is left open.",
                name=name,
                row=row["margin"],
            )
            self.say(row.where, sentence)
        elif margin is None:
            margin = member(row, "margin", MarginType)
        band = fine_band(outline, band_width(outline))
        return PlannedLesion(
            outline=outline,
            labels=Labels(
                margin=margin,
                pathology=_pathology(row["pathology"]),
                category=_category(row.get("birads", "")),
                comment=row.get("findings", "").replace("$", "; "),
            ),
            # one region in each view of a side: taken for one mass
            finding=row["laterality"],
            fine=band,
            fine_reader=CONTOUR_BAND if band else "",
            where=row.where,
        )

    def _outlines(self, row: Row, path: Path) -> list[LesionOutline]:
        """All regions of an image in their order."""
        if row["contours"].strip():
            return _via_outlines(row["contours"])
        mask_path = path.parent.with_name(f"{path.parent.name}-masks") / path.name
        if not mask_path.is_file():
            raise ValueError(
                message(
                    "the mask {mask} of {image} is not in {folder}.",
                    mask=mask_path.name,
                    image=row["image"],
                    folder=mask_path.parent.name,
                )
            )
        return list(traced_outlines(self.read_mask(mask_path)))

    def _plausible(self, row: Row, path: Path, outlines: list[LesionOutline]) -> list[LesionOutline]:
        """The regions that cover no more than ``LARGEST_REGION`` of the breast."""
        width = parsed_number(row, "width", smallest=1, largest=1e5) or 0.0
        height = parsed_number(row, "height", smallest=1, largest=1e5) or 0.0
        if all(outline_area(one) <= LARGEST_REGION * SMALLEST_BREAST * width * height for one in outlines):
            return outlines
        limit = LARGEST_REGION * breast_area(self.read_mask(path))
        return [outline for outline in outlines if outline_area(outline) <= limit]

    def _chosen(
        self, row: Row, path: Path, outlines: list[LesionOutline]
    ) -> tuple[LesionOutline, MarginType | None] | None:
        """The region that the margin word describes, and the margin a person gave it; None where unknown."""
        name = row["image"]
        choice = self.choices.get(name)
        if choice is not None and outlines:
            self.unused.discard(name)
            if choice.region > len(outlines):
                raise ValueError(
                    message(
                        "region {region} was chosen for {name}, which has {count}.",
                        region=choice.region,
                        name=name,
                        count=len(outlines),
                    )
                )
            return outlines[choice.region - 1], choice.margin
        plausible = self._plausible(row, path, outlines)
        if not outlines:
            reason = "it has no region"
        elif not plausible:
            reason = "its region covers more than a fifth of the breast and outlines no single mass"
        elif len(outlines) > 1:
            reason = (
                f"it has {len(outlines)} regions and one margin word; name the region in a table of choices "
                "(--choices, columns image and region)"
            )
        else:
            return plausible[0], None
        self.say(
            row.where,
            message("The mass of {name} is left out: {reason}.", name=name, reason=reason),
            Severity.LEFT_OUT,
        )
        return None


_Coordinate = Annotated[float, msgspec.Meta(ge=-1e5, le=1e5)]
_Radius = Annotated[float, msgspec.Meta(gt=0, le=1e5)]


class _ViaPolygon(msgspec.Struct, tag_field="name", tag="polygon"):
    all_points_x: list[_Coordinate]
    all_points_y: list[_Coordinate]


class _ViaPolyline(msgspec.Struct, tag_field="name", tag="polyline"):
    all_points_x: list[_Coordinate]
    all_points_y: list[_Coordinate]


class _ViaEllipse(msgspec.Struct, tag_field="name", tag="ellipse"):
    cx: _Coordinate
    cy: _Coordinate
    rx: _Radius
    ry: _Radius
    theta: float = 0.0


class _ViaCircle(msgspec.Struct, tag_field="name", tag="circle"):
    cx: _Coordinate
    cy: _Coordinate
    r: _Radius


def _via_outlines(text: str) -> list[LesionOutline]:
    """VIA's shapes as outlines; its coordinates are taken for continuous ones. ValueError where one is wrong."""
    try:
        shapes = msgspec.json.decode(text, type=list[_ViaPolygon | _ViaPolyline | _ViaEllipse | _ViaCircle])
    except msgspec.MsgspecError as error:
        raise ValueError(message("the contours cannot be read ({error}).", error=error)) from error
    return [_via_outline(shape) for shape in shapes]


def _via_outline(shape: _ViaPolygon | _ViaPolyline | _ViaEllipse | _ViaCircle) -> LesionOutline:
    if isinstance(shape, _ViaEllipse):
        return Ellipse(
            centre=(shape.cx, shape.cy),
            radius_x=shape.rx,
            radius_y=shape.ry,
            angle_deg=math.degrees(shape.theta),
            role=Role.MARGIN,
        )
    if isinstance(shape, _ViaCircle):
        return Ellipse(centre=(shape.cx, shape.cy), radius_x=shape.r, radius_y=shape.r, role=Role.MARGIN)
    if len(shape.all_points_x) != len(shape.all_points_y):
        raise ValueError(message("a contour has different numbers of x and y coordinates."))
    points: list[Point] = list(zip(shape.all_points_x, shape.all_points_y, strict=True))
    if len(points) > 1 and points[0] == points[-1]:
        points.pop()
    if len(points) < 3:
        raise ValueError(message("a contour has fewer than three points."))
    return Polygon(points=tuple(points))


def _composition(word: str) -> BreastComposition | None:
    letter = word.strip().lower()
    return BreastComposition(letter) if letter in {"a", "b", "c", "d"} else None


def _category(word: str) -> BiradsCategory | None:
    """None where several findings have several categories, joined by a dollar sign."""
    words = {entry.value for entry in BiradsCategory}
    return BiradsCategory(word.strip().lower()) if word.strip().lower() in words else None


def _pathology(word: str) -> Pathology | None:
    return {"malignant": Pathology.MALIGNANT, "benign": Pathology.BENIGN}.get(word.strip().lower())
