"""New tomosyntheses as DICOM files: reconstructed slices in one file, built from nothing but what is named here.

Breast Tomosynthesis Image Storage (PS3.3 A.55). Spacing, window and rescale stand in the functional groups.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import generate_uid

from core.imaging.write_dicom import (
    Encoding,
    MammogramHeader,
    Pixels,
    check_range,
    decimal,
    mammogram_dataset,
    packed_frame,
    save_dataset,
)

BREAST_TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
_MOVED = (
    "ImagerPixelSpacing",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
    "RescaleIntercept",
    "RescaleSlope",
    "RescaleType",
    "ImageLaterality",
)


def write_tomosynthesis(
    path: Path,
    slices: Sequence[Pixels],
    header: MammogramHeader,
    *,
    slice_mm: float = 1.0,
    encoding: Encoding = Encoding.JPEG_LOSSLESS,
    extended_table: bool = False,
) -> None:
    """Write one tomosynthesis. ``slices``: stored values ``(rows, columns)`` each, all of one size and type.

    ``header.spacing_mm`` becomes Pixel Spacing, in the plane of the slice. Packed slices are found by the Basic
    Offset Table or, with ``extended_table``, by the Extended one. ValueError as ``write_mammogram`` raises it, and
    where the slices differ in size or there are none.
    """
    if not slices or any((s.shape, s.dtype) != (slices[0].shape, slices[0].dtype) for s in slices):
        raise ValueError("a tomosynthesis needs slices of one size and type")
    frames = []
    digest = hashlib.sha256()
    for pixels in slices:
        check_range(pixels, header.bits_stored)
        pixels = np.ascontiguousarray(pixels)
        digest.update(pixels.data)
        frames.append(packed_frame(pixels, header.bits_stored, encoding))
    dataset = mammogram_dataset(header, np.ascontiguousarray(slices[0]))
    dataset.SOPClassUID = BREAST_TOMOSYNTHESIS
    dataset.SOPInstanceUID = generate_uid(
        entropy_srcs=["tomosynthesis", dataset.SOPInstanceUID, digest.hexdigest()]
    )
    dataset.NumberOfFrames = len(slices)
    _move_to_groups(dataset, header, len(slices), slice_mm)
    if encoding is Encoding.EXPLICIT_LITTLE:
        data = b"".join(frames)
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OW" if slices[0].itemsize == 2 else "OB"
    else:
        if extended_table:
            even = [len(frame) + len(frame) % 2 for frame in frames]
            starts = [sum(even[:k]) + 8 * k for k in range(len(even))]
            dataset.ExtendedOffsetTable = struct.pack(f"<{len(even)}Q", *starts)
            dataset.ExtendedOffsetTableLengths = struct.pack(f"<{len(even)}Q", *even)
        dataset.PixelData = bytes(encapsulate(frames, has_bot=not extended_table))
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    save_dataset(path, dataset, encoding)


def _move_to_groups(dataset: Dataset, header: MammogramHeader, count: int, slice_mm: float) -> None:
    shared = Dataset()
    shared.PixelMeasuresSequence = Items([_measures(header, slice_mm)])
    shared.FrameAnatomySequence = Items([_anatomy(dataset)])
    shared.FrameVOILUTSequence = Items([_taken(dataset, "WindowCenter", "WindowWidth", "VOILUTFunction")])
    rescale = _taken(dataset, "RescaleIntercept", "RescaleSlope", "RescaleType")
    shared.PixelValueTransformationSequence = Items([rescale])
    for keyword in _MOVED:
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.SharedFunctionalGroupsSequence = Items([shared])
    dataset.PerFrameFunctionalGroupsSequence = Items([_of_frame(k, slice_mm) for k in range(count)])


def _of_frame(number: int, slice_mm: float) -> Dataset:
    content, position = Dataset(), Dataset()
    content.StackID, content.InStackPositionNumber = "1", number + 1
    position.ImagePositionPatient = [decimal(0.0), decimal(0.0), decimal(number * slice_mm)]
    groups = Dataset()
    groups.FrameContentSequence, groups.PlanePositionSequence = Items([content]), Items([position])
    return groups


def _measures(header: MammogramHeader, slice_mm: float) -> Dataset:
    item = Dataset()
    item.PixelSpacing = [decimal(header.spacing_mm)] * 2
    item.SliceThickness = item.SpacingBetweenSlices = decimal(slice_mm)
    return item


def _anatomy(dataset: Dataset) -> Dataset:
    item = Dataset()
    item.FrameLaterality = dataset.ImageLaterality
    item.AnatomicRegionSequence = dataset.AnatomicRegionSequence
    return item


def _taken(dataset: Dataset, *keywords: str) -> Dataset:
    item = Dataset()
    for keyword in keywords:
        if keyword in dataset:
            setattr(item, keyword, dataset.get(keyword))
    return item
