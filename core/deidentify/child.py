"""One DICOM file in, the same file de-identified out. Runs in the child process of ``core.imaging.sandbox``."""

from __future__ import annotations

from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from core.deidentify.burned_in import TextRegion, suspicious_regions
from core.deidentify.codestream import CodestreamError, rewritten
from core.deidentify.options import BlackOut, Dates, Options
from core.deidentify.profile import edition
from core.deidentify.walk import Tally, apply_profile
from core.domain.messages import A_FILE, message
from core.imaging.decoded import MAX_FILE_BYTES, Refusal, RefusedImageError
from core.imaging.formats.dicom_header import PARSER_ERRORS, inflated, meta_information
from core.imaging.formats.dicom_syntax import DEFLATED
from core.imaging.reader import read_image

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
ENTRY = "core.deidentify.child:run"
_METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
}
"""Codes of context group CID 7050."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    options: Options


class FileReport(msgspec.Struct, frozen=True, kw_only=True):
    """Report on one de-identified file: names of attributes and numbers, but no attribute values."""

    removed: dict[str, int]
    emptied: dict[str, int]
    replaced: dict[str, int]
    shifted: dict[str, int]
    uids: int
    private: int
    unknown: int
    overlays: int
    suspicious: tuple[TextRegion, ...]
    """Regions that may contain burned-in text (advisory)."""
    blacked: tuple[BlackOut, ...]
    methods: tuple[str, ...]
    """Codes of De-identification Method Code Sequence (0012,0064)."""
    patient: str
    """The pseudonym."""
    sop_uid: str
    """The new one."""
    notes: tuple[str, ...] = ()


class Cleaned(msgspec.Struct, frozen=True, kw_only=True):
    report: FileReport
    content: bytes


def run(argument: bytes) -> bytes:
    """The sandbox's function: a ``Job`` in, a ``Cleaned`` out, both as MessagePack."""
    job = msgspec.msgpack.decode(argument, type=Job)
    return msgspec.msgpack.encode(deidentify_file(Path(job.path), job.options))


def deidentify_file(path: Path, options: Options) -> Cleaned:
    """The file at ``path`` as a new one; nothing of the old that the profile does not leave.

    RefusedImageError for what is no DICOM file, nested too deep or damaged. Compressed pixel data stay compressed
    unless something is blacked out.
    """
    name = "A file"
    try:
        with path.open("rb") as file:
            dataset, syntax = _read(file, name)
        tally_source = _facts(dataset)
        tally = apply_profile(dataset, options)
        suspicious, pixels, notes = _look(path, dataset)
        boxes = _boxes(options, tally_source, suspicious)
        if boxes and pixels is not None:
            syntax = _black_out(dataset, pixels, boxes)
        elif "PixelData" in dataset:
            syntax = _clean_pixel_data(dataset, syntax)
        methods = _mark(dataset, options, blacked=bool(boxes and pixels is not None))
        content = _written(dataset, syntax)
    except RefusedImageError:
        raise
    except PARSER_ERRORS as error:
        raise RefusedImageError(
            message("{name} is damaged and could not be read ({error}).", name=name, error=type(error).__name__),
            Refusal.DAMAGED,
        ) from None
    return Cleaned(report=_report(dataset, tally, suspicious, boxes, methods, notes), content=content)


def _read(file: BinaryIO, name: str) -> tuple[Dataset, str]:
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(132)
    file.seek(0)
    if size > MAX_FILE_BYTES:
        raise RefusedImageError(
            message(
                "{name} has {size:,} bytes; {limit:,} can be read.", name=name, size=size, limit=MAX_FILE_BYTES
            ),
            Refusal.TOO_LARGE,
        )
    if head[128:] != b"DICM" and head[:2] not in (b"\x08\x00", b"\x02\x00", b"\x00\x08"):
        raise RefusedImageError(message("{name} is not a DICOM file.", name=name), Refusal.NOT_AN_IMAGE)
    syntax, end = meta_information(file)
    if syntax == DEFLATED:
        file.seek(end)
        return read_dataset(inflated(file, name), is_implicit_VR=False, is_little_endian=True), str(
            ExplicitVRLittleEndian
        )
    whole = dcmread(file, force=True)
    if not syntax:
        syntax = str(ImplicitVRLittleEndian if whole.original_encoding[0] else ExplicitVRLittleEndian)
    return whole, syntax


def _facts(dataset: Dataset) -> dict[str, Any]:
    """Return the attributes that black-out rules may use, read before anything is replaced."""
    words = ("Manufacturer", "ManufacturerModelName", "Rows", "Columns")
    return {word: dataset.get(word) for word in words}


def _look(path: Path, dataset: Dataset) -> tuple[tuple[TextRegion, ...], NDArray[Any] | None, tuple[str, ...]]:
    """The picture of a grey single-frame image, searched for burned-in text."""
    if "PixelData" not in dataset:
        return (), None, ()
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        return (), None, ("it has several frames, which were not searched for burned-in text",)
    try:
        image = read_image(path)
    except RefusedImageError:
        return (), None, ("its picture could not be decoded and was not searched for burned-in text",)
    return suspicious_regions(image.pixels), image.pixels, ()


def _boxes(options: Options, facts: dict[str, Any], found: tuple[TextRegion, ...]) -> tuple[BlackOut, ...]:
    boxes = [rule for rule in options.black_out if _applies(rule, facts)]
    if options.black_out_found:
        boxes += [BlackOut(left=r.left, top=r.top, right=r.right, bottom=r.bottom) for r in found]
    return tuple(boxes)


def _applies(rule: BlackOut, facts: dict[str, Any]) -> bool:
    return (
        rule.manufacturer.lower() in str(facts["Manufacturer"] or "").lower()
        and rule.model.lower() in str(facts["ManufacturerModelName"] or "").lower()
        and rule.rows in (None, facts["Rows"])
        and rule.columns in (None, facts["Columns"])
    )


def _black_out(dataset: Dataset, pixels: NDArray[Any], boxes: tuple[BlackOut, ...]) -> str:
    """Write the picture uncompressed with the boxes black; returns the transfer syntax."""
    black = pixels.max() if dataset.get("PhotometricInterpretation") == "MONOCHROME1" else pixels.min()
    changed = pixels.copy()
    for box in boxes:
        changed[box.top : box.bottom, box.left : box.right] = black
    little = changed.astype(changed.dtype.newbyteorder("<"), copy=False).tobytes()
    dataset.BitsAllocated = 8 * changed.itemsize
    dataset.BitsStored = min(int(dataset.BitsStored), dataset.BitsAllocated)
    dataset.HighBit = dataset.BitsStored - 1
    if changed.dtype.kind == "u" and int(changed.max()) >> dataset.BitsStored:
        dataset.BitsStored, dataset.HighBit = dataset.BitsAllocated, dataset.BitsAllocated - 1
    dataset.PixelRepresentation = int(changed.dtype.kind == "i")
    dataset.PixelData = little + b"\0" * (len(little) % 2)
    dataset["PixelData"].VR = "OW" if changed.itemsize == 2 else "OB"
    dataset["PixelData"].is_undefined_length = False
    if dataset.get("BurnedInAnnotation") == "YES":
        dataset.BurnedInAnnotation = "NO"
    return str(ExplicitVRLittleEndian)


def _clean_pixel_data(dataset: Dataset, syntax: str) -> str:
    """Leave nothing in the pixel data but the pixels; returns the transfer syntax, which may be another one.

    Codestreams are rewritten marker by marker; run lengths, in which anything can follow a segment, are unpacked.
    Native pixels keep their length and their stored bits.
    """
    if not UID(syntax).is_encapsulated:
        _clean_native(dataset, syntax)
        return syntax
    if syntax == RLELossless:
        dataset.decompress(generate_instance_uid=False)
        _clean_native(dataset, str(ExplicitVRLittleEndian))
        return str(ExplicitVRLittleEndian)
    count = int(dataset.get("NumberOfFrames") or 1)
    try:
        frames = [rewritten(f) for f in islice(generate_frames(dataset.PixelData, number_of_frames=count), count)]
    except CodestreamError as error:
        raise RefusedImageError(
            message(
                "{file} holds compressed pixels that cannot be cleaned ({error}); export it uncompressed.",
                file=A_FILE,
                error=error,
            ),
            Refusal.UNSUPPORTED,
        ) from None
    if len(frames) != count:
        raise RefusedImageError(
            message("{file} announces more frames than it holds.", file=A_FILE), Refusal.CUT_SHORT
        )
    dataset.PixelData = encapsulate(frames, has_bot=True)
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return syntax


def _clean_native(dataset: Dataset, syntax: str) -> None:
    """Cut what follows the pixels, and clear the bits that are not stored."""
    allocated = int(dataset.get("BitsAllocated") or 16)
    stored = int(dataset.get("BitsStored") or allocated)
    high = int(dataset.get("HighBit") if dataset.get("HighBit") is not None else stored - 1)
    samples = int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0)
    samples *= int(dataset.get("SamplesPerPixel") or 1) * int(dataset.get("NumberOfFrames") or 1)
    if dataset.get("PhotometricInterpretation") == "YBR_FULL_422":
        samples = samples * 2 // 3
    size = (samples * allocated + 7) // 8
    content = bytes(dataset["PixelData"].value)
    if len(content) < size:
        raise RefusedImageError(
            message("{file} is cut short: its pixels are not all there.", file=A_FILE), Refusal.CUT_SHORT
        )
    content = content[:size]
    if allocated in (8, 16, 32) and not (stored == allocated or stored < 1 or high >= allocated):
        order = ">" if syntax == _BIG_ENDIAN else "<"
        values = np.frombuffer(content, f"{order}u{allocated // 8}").astype(np.int64)
        low = high + 1 - stored
        kept = (values >> low) & ((1 << stored) - 1)
        if dataset.get("PixelRepresentation"):
            # the bits above are those of the sign
            kept = np.where(kept >> (stored - 1), kept - (1 << stored), kept)
        content = (kept << low).astype(f"{order}i{allocated // 8}").tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if allocated > 8 else "OB"


def _mark(dataset: Dataset, options: Options, *, blacked: bool) -> tuple[str, ...]:
    """Say in the file what was done (PS3.3 C.7.1.1 and C.12.1.1)."""
    codes = ["113100"]
    if blacked:
        codes.append("113101")
    if options.dates is Dates.SHIFTED:
        codes.append("113107")
    if options.keep_characteristics:
        codes.append("113108")
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = f"Marginalia: PS3.15 {edition()} Table E.1-1"
    dataset.DeidentificationMethodCodeSequence = Sequence([_code(code) for code in codes])
    shifted = options.dates is Dates.SHIFTED
    dataset.LongitudinalTemporalInformationModified = "MODIFIED" if shifted else "REMOVED"
    return tuple(codes)


def _code(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", _METHODS[code][:64]
    return item


def _written(dataset: Dataset, syntax: str) -> bytes:
    """The file with new meta information: no application's title, no private part, no preamble."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(str(dataset.get("SOPClassUID") or "1.2.840.10008.5.1.4.1.1.7"))
    meta.MediaStorageSOPInstanceUID = UID(str(dataset.get("SOPInstanceUID") or "2.25.1"))
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    fresh = Dataset()
    fresh.set_original_encoding(*dataset.original_encoding)
    fresh.update(dataset)
    fresh.file_meta = meta
    buffer = BytesIO()
    fresh.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _report(
    dataset: Dataset,
    tally: Tally,
    suspicious: tuple[TextRegion, ...],
    boxes: tuple[BlackOut, ...],
    methods: tuple[str, ...],
    notes: tuple[str, ...],
) -> FileReport:
    return FileReport(
        removed=dict(tally.removed),
        emptied=dict(tally.emptied),
        replaced=dict(tally.replaced),
        shifted=dict(tally.shifted),
        uids=tally.uids,
        private=tally.private,
        unknown=tally.unknown,
        overlays=tally.overlays,
        suspicious=suspicious,
        blacked=boxes if "113101" in methods else (),
        methods=methods,
        patient=str(dataset.get("PatientID") or ""),
        sop_uid=str(dataset.get("SOPInstanceUID") or ""),
        notes=notes,
    )
