"""Reading back Segmentation objects, reports and presentation states, which a child process parses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from core.domain.errors import BadFileError
from core.domain.shapes import Length, Role, Shape
from core.exchange.dicom.lesion_report import ReportRead
from core.exchange.dicom.read_sr import report_of
from core.exchange.dicom.regions import GraphicType, SpatialRegion, shape_of
from core.imaging.decoded import check_budget
from core.imaging.sandbox import Sandbox

ENTRY = "core.exchange.dicom.read_results:run"
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
OUTLINES, FINE = "OUTLINES", "FINE"
"""Graphic layers of a presentation state."""


class SegmentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as a file tells of it."""

    label: str
    tracking_id: str
    tracking_uid: str


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    rows: int
    columns: int
    source_uid: str
    study_uid: str
    orientation: tuple[str, ...]
    segments: tuple[SegmentFacts, ...]
    bits: bytes
    """Of all masks, packed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SegRead:
    """What a Segmentation object holds."""

    source_uid: str
    """SOP Instance UID of the image."""
    study_uid: str
    orientation: tuple[str, ...]
    segments: tuple[SegmentFacts, ...]
    masks: NDArray[np.uint8]
    """(segments, rows, columns)"""


class GraphicRead(msgspec.Struct, frozen=True, kw_only=True):
    tracking_id: str
    tracking_uid: str
    outline: bool
    shape: Shape


class GspsRead(msgspec.Struct, frozen=True, kw_only=True):
    source_uid: str
    graphics: tuple[GraphicRead, ...]


class ResultReader:
    """Reads results one after the other in one child process. A context manager."""

    def __init__(self) -> None:
        self._sandbox = Sandbox(ENTRY)

    def __enter__(self) -> ResultReader:
        return self

    def __exit__(self, *error: object) -> None:
        self._sandbox.close()

    def seg(self, path: Path) -> SegRead:
        """The masks of a Segmentation object; BadFileError for what is none."""
        found = msgspec.msgpack.decode(self._ask("seg", path), type=_Read)
        shape = (len(found.segments), found.rows, found.columns)
        bits = np.unpackbits(np.frombuffer(found.bits, np.uint8), count=int(np.prod(shape)), bitorder="little")
        return SegRead(
            source_uid=found.source_uid,
            study_uid=found.study_uid,
            orientation=found.orientation,
            segments=found.segments,
            masks=bits.reshape(shape),
        )

    def sr(self, path: Path) -> ReportRead:
        """The lesions of a structured report; BadFileError for a file that is none of this program's."""
        return msgspec.msgpack.decode(self._ask("sr", path), type=ReportRead)

    def gsps(self, path: Path) -> GspsRead:
        """The graphics of a presentation state, widths of pens in pixels; BadFileError for what is none."""
        return msgspec.msgpack.decode(self._ask("gsps", path), type=GspsRead)

    def any(self, path: Path) -> SegRead | ReportRead | GspsRead:
        """What the file says it is; BadFileError for what is none of the three."""
        match self._ask("kind", path):
            case b"SEG":
                return self.seg(path)
            case b"SR":
                return self.sr(path)
            case _:
                return self.gsps(path)

    def _ask(self, kind: str, path: Path) -> bytes:
        return self._sandbox.call(f"{kind} {path.absolute()}".encode(), name=path.name)


def run(argument: bytes) -> bytes:
    """The sandbox's function: a kind and a path in, what was read out, as MessagePack."""
    kind, _, path = argument.decode().partition(" ")
    if kind == "kind":
        return _kind(dcmread(Path(path), specific_tags=["Modality"], stop_before_pixels=True))
    return msgspec.msgpack.encode(_READERS[kind](dcmread(Path(path))))


def _kind(header: Dataset) -> bytes:
    modality = str(header.get("Modality") or "")
    if modality not in ("SEG", "SR", "PR"):
        raise BadFileError("A file is neither a Segmentation nor a structured report nor a presentation state.")
    return modality.encode()


def _seg(found: Dataset) -> _Read:
    if found.SOPClassUID != SEG_CLASS or found.SegmentationType != "BINARY":
        raise BadFileError("A file is not a binary Segmentation object.")
    rows, columns, count = int(found.Rows), int(found.Columns), len(found.SegmentSequence)
    check_budget("A file", rows=rows, columns=columns, bytes_each=1, frames=count)
    bits = np.unpackbits(np.frombuffer(found.PixelData, np.uint8), bitorder="little")
    frames = bits[: int(found.NumberOfFrames) * rows * columns].reshape(-1, rows, columns)
    masks = np.zeros((count, rows, columns), np.uint8)
    shared = found.SharedFunctionalGroupsSequence[0]
    for frame, item in zip(frames, found.PerFrameFunctionalGroupsSequence, strict=True):
        # of a single segment the frame's number stands among what all frames share
        place = item if "SegmentIdentificationSequence" in item else shared
        number = int(place.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if not 1 <= number <= count:
            raise BadFileError("A file refers to a segment that it does not describe.")
        masks[number - 1] |= frame
    series = found.ReferencedSeriesSequence[0]
    return _Read(
        rows=rows,
        columns=columns,
        source_uid=str(series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID),
        study_uid=str(found.StudyInstanceUID),
        orientation=tuple(str(v) for v in found.get("PatientOrientation") or ()),
        segments=tuple(_facts(item) for item in found.SegmentSequence),
        bits=np.packbits(masks, bitorder="little").tobytes(),
    )


def _facts(item: Any) -> SegmentFacts:
    return SegmentFacts(
        label=str(item.get("SegmentLabel") or ""),
        tracking_id=str(item.get("TrackingID") or ""),
        tracking_uid=str(item.get("TrackingUID") or ""),
    )


def _gsps(found: Dataset) -> GspsRead:
    if str(found.get("Modality") or "") != "PR":
        raise BadFileError("A file is not a presentation state.")
    graphics, source = [], ""
    for annotation in found.get("GraphicAnnotationSequence") or []:
        source = str(annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID)
        for graphic in annotation.get("GraphicObjectSequence") or []:
            graphics.append(_graphic(graphic, outline=annotation.GraphicLayer == OUTLINES))
    return GspsRead(source_uid=source, graphics=tuple(graphics))


def _graphic(graphic: Dataset, *, outline: bool) -> GraphicRead:
    flat = [float(v) for v in graphic.GraphicData]
    points = tuple(zip(flat[0::2], flat[1::2], strict=True))
    styles = graphic.get("LineStyleSequence") or []
    pen = Length(value=float(styles[0].LineThickness), unit="px") if styles else None
    name, _, role = str(graphic.get("TrackingID") or "").rpartition(" ")
    try:
        kind = msgspec.convert(str(graphic.GraphicType), GraphicType)
        shape = shape_of(SpatialRegion(graphic=kind, points=points, pen=pen, role=Role(role)))
    except (ValueError, msgspec.ValidationError) as error:
        raise BadFileError("A file holds a graphic that is no shape of this program.") from error
    uid = str(graphic.get("TrackingUID") or "")
    return GraphicRead(tracking_id=name, tracking_uid=uid, outline=outline, shape=shape)


_READERS: dict[str, Callable[[Dataset], Any]] = {"seg": _seg, "sr": report_of, "gsps": _gsps}
