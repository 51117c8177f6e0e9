"""New mammograms as DICOM files: MG For Presentation, built from nothing but the attributes named here.

Digital Mammography X-Ray Image Storage - For Presentation (PS3.3 A.27). Nothing is copied from another file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import msgspec
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import PYDICOM_IMPLEMENTATION_UID, UID, generate_uid

from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.platform.atomic import atomic_write

MG_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
SYNTHETIC = "SYNTHETIC"
"""Fourth value of Image Type (0008,0008) of a picture that shows no patient; the reader looks for it."""

_VIEW_CODES = {
    # context group CID 4014, SNOMED RT identifiers as mammography equipment writes them
    ViewPosition.CC: ("R-10242", "cranio-caudal"),
    ViewPosition.MLO: ("R-10226", "medio-lateral oblique"),
}

Pixels = NDArray[np.integer[Any]]


class Encoding(StrEnum):
    """Transfer syntaxes that can be written, all lossless."""

    EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
    RLE = "1.2.840.10008.1.2.5"
    JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
    JPEG_LS = "1.2.840.10008.1.2.4.80"
    JPEG_2000 = "1.2.840.10008.1.2.4.90"


class MammogramHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Header of the file beside its pixels. Empty values are written empty."""

    patient_id: str
    laterality: Laterality
    view: ViewPosition
    spacing_mm: float
    """Imager Pixel Spacing (0018,1164): the distance of detector elements."""
    magnification: float = 1.0
    """Estimated Radiographic Magnification Factor (0018,1114)."""
    windows: tuple[Window, ...] = ()
    bits_stored: int = 12
    photometric: str = "MONOCHROME2"
    padding_value: int | None = None
    patient_name: str = ""
    birth_date: str = ""
    """YYYYMMDD, as ``acquired``."""
    sex: str = "F"
    accession: str = ""
    acquired: str = ""
    study_key: str = ""
    """Files with the same patient and study key share one Study Instance UID; UIDs are drawn from the content."""
    manufacturer: str = "Marginalia"
    model: str = ""
    series_description: str = ""
    comments: str = ""
    """Image Comments (0020,4000)."""
    instance_number: int = 1
    synthetic: bool = False
    """Written as Image Type value 4 = SYNTHETIC and Content Qualification RESEARCH."""


def write_mammogram(
    path: Path, pixels: Pixels, header: MammogramHeader, *, encoding: Encoding = Encoding.EXPLICIT_LITTLE
) -> None:
    """Write one mammogram. ``pixels``: stored values ``(rows, columns)``, uint8, uint16 or int16 (signed).

    The same pixels and header always give the same bytes. ValueError where the values do not fit into
    ``header.bits_stored``; StorageFullError where the disk is full.
    """
    check_range(pixels, header.bits_stored)
    if not pixels.flags.c_contiguous:
        pixels = pixels.copy()
    data = packed_frame(pixels, header.bits_stored, encoding)
    dataset = mammogram_dataset(header, pixels)
    if encoding is not Encoding.EXPLICIT_LITTLE:
        dataset.PixelData = bytes(encapsulate([data], has_bot=True))
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    else:
        dataset.PixelData = data + b"\0" * (len(data) % 2)
        dataset["PixelData"].VR = "OW" if pixels.itemsize == 2 else "OB"
    save_dataset(path, dataset, encoding)


def save_dataset(path: Path, dataset: Dataset, encoding: Encoding) -> None:
    """Write a dataset that has its pixels, with its file meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(encoding.value)
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    dataset.file_meta = meta
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    atomic_write(path, buffer.getvalue())


def check_range(pixels: Pixels, bits: int) -> None:
    """ValueError where the values do not fit into the bits, or the array is no mammogram."""
    if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16, np.int16) or pixels.size == 0:
        raise ValueError("a mammogram needs a two-dimensional array of uint8, uint16 or int16")
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if pixels.dtype == np.int16 else (0, (1 << bits) - 1)
    if not 1 <= bits <= 8 * pixels.itemsize or pixels.min() < low or pixels.max() > high:
        raise ValueError(f"the pixels do not fit into {bits} bits stored")


def packed_frame(pixels: Pixels, bits: int, encoding: Encoding) -> bytes:
    """One frame's bytes: the plain samples, or a codestream that is still to be encapsulated."""
    little = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    if encoding is Encoding.EXPLICIT_LITTLE:
        return little.tobytes()
    if encoding is Encoding.RLE:
        return _rle_frame(pixels)
    # codestreams are written unsigned; two's complement is kept in the low bits (PS3.5, 8.2.1)
    unsigned = pixels.view(np.uint16) & np.uint16((1 << bits) - 1) if pixels.itemsize == 2 else pixels
    return _ENCODERS[encoding](unsigned, bits)


def _rle_frame(pixels: Pixels) -> bytes:
    """PS3.5 annex G: one segment a byte of the samples, the most significant first, each row by itself."""
    high_first = pixels.astype(pixels.dtype.newbyteorder(">"), copy=False)
    planes = high_first.view(np.uint8).reshape(*pixels.shape, pixels.itemsize)
    segments = []
    for k in range(pixels.itemsize):
        rows = np.ascontiguousarray(planes[..., k])
        segment = b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in rows)
        segments.append(segment + b"\0" * (len(segment) % 2))
    offsets = [64 + sum(len(s) for s in segments[:k]) for k in range(len(segments))]
    table = np.zeros(16, "<u4")
    table[: 1 + len(segments)] = [len(segments), *offsets]
    return table.tobytes() + b"".join(segments)


def _jpeg_lossless(pixels: Pixels, bits: int) -> bytes:
    return bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=bits))


def _jpeg_ls(pixels: Pixels, bits: int) -> bytes:
    del bits  # the codec takes the precision from the largest value
    return bytes(imagecodecs.jpegls_encode(pixels))


def _jpeg_2000(pixels: Pixels, bits: int) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(pixels, reversible=True, codecformat="j2k", bitspersample=bits))


_ENCODERS: dict[Encoding, Callable[[Pixels, int], bytes]] = {
    Encoding.JPEG_LOSSLESS: _jpeg_lossless,
    Encoding.JPEG_LS: _jpeg_ls,
    Encoding.JPEG_2000: _jpeg_2000,
}


def mammogram_dataset(header: MammogramHeader, pixels: Pixels) -> Dataset:
    """Everything but the pixel data."""
    dataset = Dataset()
    _add_identity(dataset, header, pixels)
    _add_acquisition(dataset, header)
    _add_image(dataset, header, pixels)
    return dataset


def _add_identity(dataset: Dataset, header: MammogramHeader, pixels: Pixels) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 192"
    kind = ["DERIVED", "PRIMARY", "", SYNTHETIC] if header.synthetic else ["DERIVED", "PRIMARY"]
    dataset.ImageType = kind
    dataset.SOPClassUID = MG_FOR_PRESENTATION
    study = ["study", header.patient_id, header.study_key]
    content = hashlib.sha256(pixels.data).hexdigest()
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=study)
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", *study])
    dataset.SOPInstanceUID = generate_uid(
        entropy_srcs=["image", *study, content, msgspec.json.encode(header).decode()]
    )
    dataset.PatientName, dataset.PatientID = header.patient_name, header.patient_id
    dataset.PatientBirthDate, dataset.PatientSex = header.birth_date, header.sex
    dataset.AccessionNumber, dataset.StudyID, dataset.ReferringPhysicianName = header.accession, "", ""
    dataset.StudyDate = dataset.AcquisitionDate = dataset.ContentDate = header.acquired
    dataset.StudyTime = dataset.ContentTime = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, header.instance_number
    dataset.Manufacturer, dataset.ManufacturerModelName = header.manufacturer, header.model
    if header.series_description:
        dataset.SeriesDescription = header.series_description
    if header.comments:
        dataset.ImageComments = header.comments
    if header.synthetic:
        dataset.ContentQualification = "RESEARCH"


def _add_acquisition(dataset: Dataset, header: MammogramHeader) -> None:
    dataset.Modality = "MG"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.BodyPartExamined = "BREAST"
    dataset.ImageLaterality = header.laterality.value
    dataset.PatientOrientation = ["A" if header.laterality is Laterality.LEFT else "P", "F"]
    dataset.OrganExposed = "BREAST"
    dataset.BreastImplantPresent = dataset.PartialView = "NO"
    dataset.PositionerType = "MAMMOGRAPHIC"
    dataset.ImagerPixelSpacing = [decimal(header.spacing_mm)] * 2
    dataset.EstimatedRadiographicMagnificationFactor = decimal(header.magnification)
    dataset.AnatomicRegionSequence = Sequence([_code("T-04000", "SRT", "Breast")])
    dataset.AcquisitionContextSequence = Sequence([])
    if header.view in _VIEW_CODES:
        dataset.ViewPosition = header.view.value
        value, meaning = _VIEW_CODES[header.view]
        item = _code(value, "SRT", meaning)
        item.ViewModifierCodeSequence = Sequence([])
        dataset.ViewCodeSequence = Sequence([item])


def _add_image(dataset: Dataset, header: MammogramHeader, pixels: Pixels) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = header.photometric
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated = 8 * pixels.itemsize
    dataset.BitsStored, dataset.HighBit = header.bits_stored, header.bits_stored - 1
    dataset.PixelRepresentation = int(pixels.dtype == np.int16)
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape = "INVERSE" if header.photometric == "MONOCHROME1" else "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    if header.padding_value is not None:
        dataset.add_new(0x00280120, "SS" if pixels.dtype == np.int16 else "US", header.padding_value)
    if header.windows:
        dataset.WindowCenter = [decimal(w.centre) for w in header.windows]
        dataset.WindowWidth = [decimal(w.width) for w in header.windows]
        dataset.VOILUTFunction = header.windows[0].function
        dataset.WindowCenterWidthExplanation = [w.explanation for w in header.windows]


def decimal(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5, 6.2, DS)."""
    return f"{value:.10g}"[:16]


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
