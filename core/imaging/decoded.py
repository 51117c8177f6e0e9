"""Result of reading an image: its stored pixels and the file's description of them, or one of few refusals."""

from __future__ import annotations

import struct
import zlib
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core.domain.errors import BadFileError
from core.domain.messages import Sentence, message
from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition

if TYPE_CHECKING:
    Pixels = NDArray[np.integer[Any]]
else:
    Pixels = np.ndarray  # msgspec reads annotations at run time and needs a plain class

MAX_PIXEL_BYTES = 1_500_000_000
"""Rows x columns x samples x bytes of one frame that a header may announce; one frame is unpacked at a time."""
MAX_VOLUME_BYTES = 4_000_000_000
"""The same over all frames: what a study has to hold of a tomosynthesis."""
MAX_SIDE = 16_384
MAX_FRAMES = 512
MAX_FILE_BYTES = 2_000_000_000

FOREIGN_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""Exceptions that parsers and decoders raise for foreign bytes; all others are handled at the worker's boundary.
"""


class Refusal(StrEnum):
    """Every reason for which a file is not read. The list is closed."""

    UNREADABLE = "unreadable"  # no such file, no permission, a folder
    NOT_AN_IMAGE = "not an image"  # of no format on the list
    NO_PIXELS = "no pixels"  # DICOM without an image: a report, a plan
    OTHER_OBJECT = "another object"  # DICOM of another modality, or a placeholder of a private format
    TOO_LARGE = "too large"  # announces or unpacks to more than the budget
    CUT_SHORT = "cut short"  # fewer bytes than the header needs
    COLOUR = "colour"
    UNSUPPORTED = "unsupported"  # a real format or encoding that is not on the list
    CONTRADICTORY = "contradictory"  # header and pixels, or header and itself, disagree
    DAMAGED = "damaged"  # a decoder or the parser gave up
    CRASHED = "crashed"  # the decoding process died
    TIMED_OUT = "timed out"


class RefusedImageError(BadFileError):
    """Error for an image file that is not read; ``reason`` is one of the listed cases."""

    def __init__(self, sentence: Sentence, reason: Refusal) -> None:
        super().__init__(sentence)
        self.reason = reason


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Identity of the patient. It is written to the encrypted identity file only, never into a log.

    Its text form is empty, so that a message that includes it by accident reveals nothing.
    """

    patient_id: str = ""
    name: str = ""
    birth_date: str = ""
    sex: str = ""
    accession: str = ""
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    sop_class: str = ""
    study_id: str = ""
    study_date: str = ""
    """YYYYMMDD, as ``study_time`` HHMMSS."""
    study_time: str = ""
    patient_orientation: tuple[str, ...] = ()
    """(0020,0020): where rows and columns lead."""

    def __repr__(self) -> str:
        return "Identity(hidden)"

    __str__ = __repr__


class VoiLut(msgspec.Struct, frozen=True, kw_only=True):
    """One item of VOI LUT Sequence (0028,3010): a table from modality values to grey values."""

    first: int
    """Modality value of the first entry; below it the first entry holds, above the table the last."""
    bits: int
    """Bits of an entry."""
    data: bytes
    """The entries as little-endian uint16."""
    explanation: str = ""

    @property
    def entries(self) -> NDArray[np.uint16]:
        return np.frombuffer(self.data, "<u2").astype(np.uint16)


class DecodedImage(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One frame of one file: stored values (before rescale and windows) and the attributes on the allow-list."""

    pixels: Pixels
    """(rows, columns), uint8, uint16 or int16 (signed). MONOCHROME1 is kept as stored; ``display`` inverts."""
    bits_stored: int
    format: str
    """DICOM, PNG, PGM, TIFF or JPEG."""
    transfer_syntax: str = ""
    """UID, for DICOM."""
    frames: int = 1
    frame: int = 0
    photometric: str = "MONOCHROME2"
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    voi_luts: tuple[VoiLut, ...] = ()
    padding: tuple[int, int] | None = None
    """Smallest and largest stored value that is no part of the picture (Pixel Padding Value and Range Limit)."""
    pixel_spacing_mm: float | None = None
    """In the plane of the breast; see ``core.imaging.formats.dicom_place.spacing``."""
    spacing_source: str = ""
    """Names of the attributes that the spacing comes from."""
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    acquired: str | None = None
    """Acquisition date of the file, YYYY-MM-DD; shifted or dropped by the importer."""
    manufacturer: str = ""
    model: str = ""
    synthetic: bool = False
    modality: str = ""
    """Modality (0008,0060), for DICOM."""
    breast: bool = False
    """True if the header mentions a breast or a view of one."""
    mirrored_by_device: bool = False
    """Field of View Horizontal Flip (0018,7034) is YES."""
    identity: Identity = Identity()
    warnings: tuple[Sentence, ...] = ()

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def detector(self) -> str:
        return f"{self.manufacturer} {self.model}".strip()


def check_budget(name: str, *, rows: int, columns: int, bytes_each: int, frames: int = 1) -> None:
    """Refuse what announces too much, before anything is unpacked. ``bytes_each`` counts all samples."""
    each = rows * columns * bytes_each
    total = each * frames
    if rows <= 0 or columns <= 0 or frames <= 0:
        raise RefusedImageError(
            message(
                "{name} announces an image of {columns} x {rows} pixels.", name=name, columns=columns, rows=rows
            ),
            Refusal.CONTRADICTORY,
        )
    sides, sizes = max(rows, columns) > MAX_SIDE, each > MAX_PIXEL_BYTES or total > MAX_VOLUME_BYTES
    if sides or sizes or frames > MAX_FRAMES:
        raise RefusedImageError(
            message(
                "{name} announces {columns} x {rows} pixels (frames: {frames}), {total:,} bytes; the limits are "
                "{max_side} pixels a side, {max_frames} frames, {max_frame_bytes:,} bytes a frame and "
                "{max_bytes:,} in all.",
                name=name,
                columns=columns,
                rows=rows,
                frames=frames,
                total=total,
                max_side=MAX_SIDE,
                max_frames=MAX_FRAMES,
                max_frame_bytes=MAX_PIXEL_BYTES,
                max_bytes=MAX_VOLUME_BYTES,
            ),
            Refusal.TOO_LARGE,
        )


def clean_text(value: str, *, limit: int = 64) -> str:
    """Foreign text without control characters, cut to ``limit``; it never becomes part of a path."""
    return "".join(c for c in value if c.isprintable())[:limit].strip()
