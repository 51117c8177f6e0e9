"""Masks as DICOM Segmentation objects (PS3.3 A.51, binary), and back, equal to the bit.

One object an image, with the image's own geometry; for each lesion a segment of its outline and, where there is
one, of its fine annotation. Segments may overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import msgspec
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.sr.codedict import codes

from core.domain.errors import BadFileError
from core.imaging.decoded import check_budget
from core.imaging.sandbox import Sandbox
from core.interchange.references import (
    MANUFACTURER,
    MODEL,
    SourceImage,
    finish,
    reference_dataset,
    software,
    written,
)

ENTRY = "core.interchange.seg:read_in_child"
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LESION, FINE = "lesion", "fine"
_MASS = codes.cid6054.MammographicBreastMass
_CATEGORY = codes.cid7150.MorphologicallyAbnormalStructure
_MARGIN = hd.sr.CodedConcept("111037", "DCM", "Margins")
_COLOURS = {LESION: (70.0, 20.0, 50.0), FINE: (65.0, 60.0, -30.0)}
"""CIELab, for viewers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskOfLesion:
    """One segment."""

    tracking_id: str
    """Name of the lesion in this export."""
    tracking_uid: str
    kind: str
    """``lesion`` or ``fine``."""
    mask: NDArray[np.uint8]
    """(rows, columns) of the image, 1 where marked."""


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


def make_seg(source: SourceImage, masks: tuple[MaskOfLesion, ...], *, uids: tuple[str, str]) -> bytes:
    """The object as a file; ``uids``: of its series and of itself. ValueError without any mask."""
    if not masks:
        raise ValueError("a segmentation needs a mask")
    reference = reference_dataset(source)
    stack = np.stack([one.mask for one in masks], axis=-1)[None].astype(bool)
    made = hd.seg.Segmentation(
        source_images=[reference],
        pixel_array=stack,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(k + 1, one) for k, one in enumerate(masks)],
        series_instance_uid=uids[0],
        series_number=101,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions=software(),
        device_serial_number="0",
        content_description="Lesions and fine annotations",
        content_label="MARGINS",
        omit_empty_frames=False,
        pixel_measures=_measures(source),
    )
    made.PatientOrientation = list(source.patient_orientation)
    finish(made, source)
    return written(made)


def _measures(source: SourceImage) -> hd.PixelMeasuresSequence | None:
    if source.spacing_mm is None:
        return None
    # a projection has no thickness; the attribute is required and a nominal value is given
    return hd.PixelMeasuresSequence(pixel_spacing=(source.spacing_mm,) * 2, slice_thickness=1.0)


def _description(number: int, one: MaskOfLesion) -> hd.seg.SegmentDescription:
    fine = one.kind == FINE
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{one.tracking_id} {'fine annotation' if fine else 'outline'}"[:64],
        segmented_property_category=_CATEGORY,
        segmented_property_type=_MARGIN if fine else _MASS,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=one.tracking_uid,
        tracking_id=one.tracking_id[:64],
        anatomic_regions=[codes.SCT.Breast],
        display_color=hd.color.CIELabColor(*_COLOURS[one.kind]),
    )


def read_seg(path: Path) -> SegRead:
    """The masks of a Segmentation object, read in a child process; BadFileError for what is none."""
    with Sandbox(ENTRY) as sandbox:
        answer = sandbox.call(str(path.absolute()).encode(), name=path.name)
    found = msgspec.msgpack.decode(answer, type=_Read)
    shape = (len(found.segments), found.rows, found.columns)
    bits = np.unpackbits(np.frombuffer(found.bits, np.uint8), count=int(np.prod(shape)), bitorder="little")
    return SegRead(
        source_uid=found.source_uid,
        study_uid=found.study_uid,
        orientation=found.orientation,
        segments=found.segments,
        masks=bits.reshape(shape),
    )


def read_in_child(argument: bytes) -> bytes:
    """The sandbox's function: a path in, a ``_Read`` out, as MessagePack."""
    found = dcmread(Path(argument.decode()))
    if found.SOPClassUID != SEG_CLASS or found.SegmentationType != "BINARY":
        raise BadFileError("A file is not a binary Segmentation object.")
    rows, columns, count = int(found.Rows), int(found.Columns), len(found.SegmentSequence)
    check_budget("A file", rows=rows, columns=columns, bytes_each=1, frames=count)
    bits = np.unpackbits(np.frombuffer(found.PixelData, np.uint8), bitorder="little")
    frames = bits[: int(found.NumberOfFrames) * rows * columns].reshape(-1, rows, columns)
    masks = np.zeros((count, rows, columns), np.uint8)
    for frame, item in zip(frames, found.PerFrameFunctionalGroupsSequence, strict=True):
        number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        if not 1 <= number <= count:
            raise BadFileError("A file refers to a segment that it does not describe.")
        masks[number - 1] |= frame
    series = found.ReferencedSeriesSequence[0]
    answer = _Read(
        rows=rows,
        columns=columns,
        source_uid=str(series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID),
        study_uid=str(found.StudyInstanceUID),
        orientation=tuple(str(v) for v in found.get("PatientOrientation") or ()),
        segments=tuple(_facts(item) for item in found.SegmentSequence),
        bits=np.packbits(masks, bitorder="little").tobytes(),
    )
    return msgspec.msgpack.encode(answer)


def _facts(item: Any) -> SegmentFacts:
    return SegmentFacts(
        label=str(item.get("SegmentLabel") or ""),
        tracking_id=str(item.get("TrackingID") or ""),
        tracking_uid=str(item.get("TrackingUID") or ""),
    )
