"""Reading back Segmentation objects, reports and presentation states, which a child process parses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from core.data.mask_shapes import count_regions, regions_of_mask, shapes_of_mask
from core.domain.errors import BadFileError
from core.domain.messages import A_FILE, A_MASK, decode_sentence, encode_sentence, message
from core.domain.shapes import Polygon
from core.exchange.dicom.bitmaps import Bitmap
from core.exchange.dicom.lesion_report import ReportRead
from core.exchange.dicom.read_gsps import GspsRead, presentation_of
from core.exchange.dicom.read_seg import SegRead, segmentation_of
from core.exchange.dicom.read_sr import report_of
from core.imaging.formats.dicom_header import PARSER_ERRORS, inflated
from core.imaging.formats.dicom_syntax import DEFLATED
from core.imaging.sandbox import Sandbox

ENTRY = "core.exchange.dicom.read_results:run"
_LARGEST_WITHOUT_PIXELS = 64 << 20
_META = 144
"""Bytes before the file meta information that its group length does not count (PS3.10, 7.1)."""
MOST_REGIONS, _MOST_CORNERS = 32, 500_000
"""The highest numbers of regions and corners of one mask; a mask of many specks does not show lesions."""

ResultRead = SegRead | ReportRead | GspsRead


class NotDicomError(BadFileError):
    """The file is no DICOM file at all."""


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
        return msgspec.msgpack.decode(self._ask("seg", path), type=SegRead, dec_hook=decode_sentence)

    def sr(self, path: Path) -> ReportRead:
        """The lesions of a structured report; BadFileError where none can be read."""
        return msgspec.msgpack.decode(self._ask("sr", path), type=ReportRead, dec_hook=decode_sentence)

    def gsps(self, path: Path) -> GspsRead:
        """The graphics of a presentation state, widths of pens in pixels; BadFileError for what is none."""
        return msgspec.msgpack.decode(self._ask("gsps", path), type=GspsRead, dec_hook=decode_sentence)

    def any(self, path: Path) -> ResultRead:
        """The contents of a file of any of the three kinds.

        Raises: NotDicomError for a file that is no DICOM file, BadFileError for another that cannot be used.
        """
        match self._ask("kind", path):
            case b"SEG":
                return self.seg(path)
            case b"SR":
                return self.sr(path)
            case b"PR":
                return self.gsps(path)
            case _:
                raise NotDicomError(message("{file} is not a DICOM file.", file=path.name))

    def shapes(self, bitmap: Bitmap) -> tuple[Polygon, ...]:
        """See ``shapes_of_mask``; BadFileError for a mask with too many corners."""
        return self._shapes("shapes", bitmap)

    def regions(self, bitmap: Bitmap) -> tuple[Polygon, ...]:
        """See ``regions_of_mask``; BadFileError for a mask of more than ``MOST_REGIONS`` regions."""
        return self._shapes("regions", bitmap)

    def _shapes(self, kind: str, bitmap: Bitmap) -> tuple[Polygon, ...]:
        argument = f"{kind} ".encode() + msgspec.msgpack.encode(bitmap)
        return msgspec.msgpack.decode(self._sandbox.call(argument, name=A_MASK), type=tuple[Polygon, ...])

    def _ask(self, kind: str, path: Path) -> bytes:
        return self._sandbox.call(f"{kind} {path.absolute()}".encode(), name=path.name)


def run(argument: bytes) -> bytes:
    """The sandbox's function: a kind and a path (or a mask) in, what was read out, as MessagePack."""
    kind, _, rest = argument.partition(b" ")
    if kind == b"kind":
        return _kind(Path(rest.decode()))
    if kind in (b"shapes", b"regions"):
        return msgspec.msgpack.encode(_polygons(kind, msgspec.msgpack.decode(rest, type=Bitmap)))
    path = Path(rest.decode())
    if kind != b"seg":
        _refuse_large(path)
    return msgspec.msgpack.encode(_READERS[kind](_dataset(path)), enc_hook=encode_sentence)


def _dataset(path: Path, **more: Any) -> Dataset:
    """The data set of a file, with a preamble or without one.

    Raises: BadFileError for what is no DICOM file, RefusedImageError for one that unpacks to far more than it is.
    """
    _refuse_inflated(path)
    try:
        return dcmread(path, **more)
    except InvalidDicomError:
        found = dcmread(path, force=True, **more)
        if "Modality" not in found or "SOPClassUID" not in found:
            raise
        return found


def _refuse_inflated(path: Path) -> None:
    """The library unpacks a deflated data set whole, whatever its size."""
    try:
        meta = read_file_meta_info(path)
    except PARSER_ERRORS:
        return
    if str(meta.get("TransferSyntaxUID") or "") == DEFLATED:
        with path.open("rb") as file:
            file.seek(_META + int(meta.FileMetaInformationGroupLength))
            inflated(file, "A file")


def _refuse_large(path: Path) -> None:
    """A report or a presentation state holds words and coordinates and no pixels."""
    if path.stat().st_size > _LARGEST_WITHOUT_PIXELS:
        raise BadFileError(
            message(
                "{file} has more than {limit} MB, far more than a report or a presentation "
                "state needs; it was not read.",
                file=A_FILE,
                limit=_LARGEST_WITHOUT_PIXELS >> 20,
            )
        )


def _kind(path: Path) -> bytes:
    try:
        header = _dataset(path, specific_tags=["Modality", "SOPClassUID"], stop_before_pixels=True)
    except PARSER_ERRORS:
        return b""
    modality = str(header.get("Modality") or "")
    if modality not in ("SEG", "SR", "PR"):
        raise BadFileError(
            message(
                "{file} is neither a Segmentation nor a structured report nor a presentation state.", file=A_FILE
            )
        )
    return modality.encode()


def _polygons(kind: bytes, bitmap: Bitmap) -> tuple[Polygon, ...]:
    mask = bitmap.cut()
    regions = count_regions(mask)
    if kind == b"regions" and regions > MOST_REGIONS:
        raise BadFileError(
            message(
                "{file} has {regions:,} separate regions, more than {most_regions}; none was read.",
                file=A_FILE,
                regions=regions,
                most_regions=MOST_REGIONS,
            )
        )
    make = shapes_of_mask if kind == b"shapes" else regions_of_mask
    shapes = make(mask, left=bitmap.left, top=bitmap.top)
    if sum(len(shape.points) for shape in shapes) > _MOST_CORNERS:
        raise BadFileError(
            message("{file} has a border of more than {limit:,} corners.", file=A_FILE, limit=_MOST_CORNERS)
        )
    return shapes


_READERS: dict[bytes, Callable[[Dataset], ResultRead]] = {
    b"seg": segmentation_of,
    b"sr": report_of,
    b"gsps": presentation_of,
}
