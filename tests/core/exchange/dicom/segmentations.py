"""Segmentation objects as other programs write them, made from one of ours."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Mask = NDArray[np.uint8]
_UID = "1.2.826.0.1.3680043.10.9999.7"


def derived_from(sop_uid: str, *, frame: int | None = None) -> Dataset:
    """A functional group that names its image by Source Image Sequence."""
    source, derivation, item = Dataset(), Dataset(), Dataset()
    source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.2", sop_uid
    if frame is not None:
        source.ReferencedFrameNumber = frame
    derivation.SourceImageSequence = [source]
    item.DerivationImageSequence = [derivation]
    return item


def source_of(seg: Dataset) -> str:
    return str(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID)


def made_of(
    template: Path,
    masks: Sequence[Mask],
    numbers: Sequence[int],
    *,
    sources: Sequence[str] = (),
    kind: str = "BINARY",
    tracking: Sequence[str] = (),
) -> Dataset:
    """One frame a mask, each of the segment with this number; ``sources``: image of each frame."""
    made = pydicom.dcmread(template)
    prototype, frames = made.SegmentSequence[0], []
    described = {}
    for k, number in enumerate(numbers):
        segment = copy.deepcopy(prototype)
        segment.SegmentNumber, segment.SegmentLabel = number, f"Segment {number}"
        for keyword in ("TrackingID", "TrackingUID"):
            delattr(segment, keyword)
        if tracking:
            segment.TrackingID, segment.TrackingUID = f"t{k}", tracking[k]
        described[number] = segment
        frame = derived_from(sources[k]) if sources else Dataset()
        identification = Dataset()
        identification.ReferencedSegmentNumber = number
        frame.SegmentIdentificationSequence = [identification]
        frames.append(frame)
    shared = made.SharedFunctionalGroupsSequence[0]
    for keyword in ("SegmentIdentificationSequence", "DerivationImageSequence"):
        if keyword in shared:
            delattr(shared, keyword)
    made.SegmentSequence, made.PerFrameFunctionalGroupsSequence = list(described.values()), frames
    made.NumberOfFrames, made.SegmentationType = len(masks), kind
    made.Rows, made.Columns = masks[0].shape
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"{_UID}.{len(masks)}"
    stack = np.stack(masks)
    if kind == "BINARY":
        packed = np.packbits(stack.ravel(), bitorder="little").tobytes()
        made.PixelData = packed + b"\0" * (len(packed) % 2)
    else:
        made.BitsAllocated = made.BitsStored = 8
        made.HighBit, made.MaximumFractionalValue = 7, 200
        made.PixelData = stack.astype(np.uint8).tobytes()
        made["PixelData"].VR = "OB"
    return made


def blob(y0: int, y1: int, x0: int, x1: int, *, shape: tuple[int, int] = (150, 200)) -> Mask:
    made = np.zeros(shape, np.uint8)
    made[y0:y1, x0:x1] = 1
    return made
