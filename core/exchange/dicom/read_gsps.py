"""Reading presentation states. The file is foreign: only ``reading``'s child does it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from pydicom.dataset import Dataset

from core.domain.errors import BadFileError
from core.domain.messages import A_FILE, Sentence, message
from core.domain.shapes import Length, Role, Shape
from core.exchange.dicom.regions import GraphicType, SpatialRegion, shape_of

OUTLINES, FINE = "OUTLINES", "FINE"
_KINDS = {
    **{kind: kind for kind in ("POINT", "POLYLINE", "CIRCLE", "ELLIPSE")},
    # a curve through the points (PS3.3 C.10.5.1.2): its corners
    "INTERPOLATED": "POLYLINE",
}
"""Graphic layers of a presentation state of this program."""
MOST_POINTS = 200_000
"""The highest number of points in all regions of one file."""
MOST_REGIONS = 5_000
"""The highest number of regions of one file, counted once for each image that they are drawn in."""
_LONGEST_NAME = 1_024
"""Characters of a name that are kept of a foreign file."""


class ShapelessError(BadFileError):
    """A graphic that marks a place and no region."""


class GraphicRead(msgspec.Struct, frozen=True, kw_only=True):
    """One graphic in one image."""

    tracking_id: str
    tracking_uid: str
    source_uid: str
    """SOP Instance UID of the image."""
    outline: bool
    shape: Shape


class GspsRead(msgspec.Struct, frozen=True, kw_only=True):
    graphics: tuple[GraphicRead, ...]
    notes: tuple[Sentence, ...] = ()
    """Sentences without their subject, the file."""

    @property
    def source_uid(self) -> str:
        """The image of the first graphic; "" without graphics."""
        return self.graphics[0].source_uid if self.graphics else ""


def presentation_of(found: Dataset) -> GspsRead:
    """The graphics of a presentation state, widths of pens in pixels; BadFileError for what is none."""
    if str(found.get("Modality") or "") != "PR":
        raise BadFileError(message("{file} is not a presentation state.", file=A_FILE))
    graphics: list[GraphicRead] = []
    points = passed = shapeless = unknown = 0
    for annotation in found.get("GraphicAnnotationSequence") or []:
        sources = _sources(annotation, found)
        layer = str(annotation.get("GraphicLayer") or "")
        for graphic in annotation.get("GraphicObjectSequence") or []:
            # as many as it says, or as there are
            points += max(
                int(graphic.get("NumberOfGraphicPoints") or 0), len(graphic.get("GraphicData") or ()) // 2
            )
            if points > MOST_POINTS or len(graphics) + len(sources) > MOST_REGIONS:
                raise BadFileError(
                    message(
                        "{file} draws more than {most_points:,} points or {most_regions:,} regions; it is not "
                        "read.",
                        file=A_FILE,
                        most_points=MOST_POINTS,
                        most_regions=MOST_REGIONS,
                    )
                )
            if str(graphic.get("GraphicAnnotationUnits") or "") != "PIXEL":
                passed += 1
                continue
            kind = _KINDS.get(str(graphic.get("GraphicType") or ""))
            if kind is None:
                unknown += 1
                continue
            try:
                one = _graphic(graphic, kind, sources[0], layer)
            except ShapelessError:
                shapeless += 1
                continue
            graphics += [msgspec.structs.replace(one, source_uid=source) for source in sources]
    return GspsRead(graphics=tuple(graphics), notes=tuple(_notes(passed, shapeless, unknown)))


def _notes(passed: int, shapeless: int, unknown: int) -> Iterator[Sentence]:
    if passed:
        yield message(
            "has {count} graphics in units of a display, which have no position in the image.", count=passed
        )
    if shapeless:
        yield message(
            "has {count} graphics that enclose nothing (points, open lines); they are left out.", count=shapeless
        )
    if unknown:
        yield message("has {count} graphics of a kind that is not read; they are left out.", count=unknown)


def _sources(annotation: Dataset, found: Dataset) -> list[str]:
    """The images of an annotation; without a list of its own, all that the presentation state refers to."""
    own = annotation.get("ReferencedImageSequence") or [
        image
        for series in found.get("ReferencedSeriesSequence") or []
        for image in series.get("ReferencedImageSequence") or []
    ]
    names = list(dict.fromkeys(str(image.ReferencedSOPInstanceUID) for image in own))
    if not names:
        raise BadFileError(message("{file} does not name the image of its graphics.", file=A_FILE))
    return names


def _graphic(graphic: Dataset, kind: str, source: str, layer: str) -> GraphicRead:
    flat = [float(v) for v in graphic.get("GraphicData") or ()]
    if not flat:
        raise ShapelessError(message("{file} holds a region without points.", file=A_FILE))
    name, _, role = str(graphic.get("TrackingID") or "")[:_LONGEST_NAME].rpartition(" ")
    styles = graphic.get("LineStyleSequence") or []
    thickness = styles[0].get("LineThickness") if styles else None
    pen = None if thickness is None else Length(value=float(thickness), unit="px")
    if layer not in (OUTLINES, FINE) and flat[:2] == flat[-2:]:
        # other programs give every line a width: the closed ones enclose something all the same
        pen = None
    uid = str(graphic.get("TrackingUID") or "")
    shape = region_shape(kind, flat, pen, next((r for r in Role if r.value == role), Role.MARGIN))
    return GraphicRead(
        tracking_id=name, tracking_uid=uid, source_uid=source, outline=layer == OUTLINES, shape=shape
    )


def region_shape(graphic: str, flat: list[float], pen: Length | None, role: Role) -> Shape:
    """The shape of a region with these coordinates, x and y in turn.

    Raises: ShapelessError for points and open lines, BadFileError for what is no region at all.
    """
    try:
        points = tuple(zip(flat[0::2], flat[1::2], strict=True))
        if not all(map(math.isfinite, flat)) or (pen is not None and not 0 <= pen.value < 1e6):
            raise ValueError("a coordinate or a width is not a number")
        region: Any = {"graphic": graphic, "points": points, "pen": pen, "role": role}
        if _encloses_nothing(graphic, points, pen):
            raise ShapelessError(
                message(
                    "{file} holds a region that encloses nothing ({graphic}).", file=A_FILE, graphic=graphic[:16]
                )
            )
        kind = msgspec.convert(graphic, GraphicType)
        return shape_of(SpatialRegion(**(region | {"graphic": kind})))
    except (ValueError, msgspec.ValidationError) as error:
        raise BadFileError(
            message(
                "{file} holds a region of an unsupported shape ({graphic}).", file=A_FILE, graphic=graphic[:16]
            )
        ) from error


def _encloses_nothing(graphic: str, points: Sequence[tuple[float, float]], pen: Length | None) -> bool:
    if graphic in ("POINT", "MULTIPOINT"):
        return True
    return graphic == "POLYLINE" and pen is None and (len(points) < 4 or points[0] != points[-1])
