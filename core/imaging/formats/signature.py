"""Type of a file, determined from its first bytes. Names and endings are ignored."""

from __future__ import annotations

from core.domain.messages import Sentence, message
from core.imaging.formats.dicom_syntax import encoding_of

HEAD_BYTES = 512
"""Number of first bytes that ``format_of`` needs."""
DICOM, NO_PREAMBLE, ZIP = "DICOM", "DICOM without preamble", "ZIP"
_IMAGES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
IMAGE_FORMATS = frozenset((DICOM, NO_PREAMBLE, "PGM", *(name for _, name in _IMAGES)))
_UNPACK = message("an archive; unpack it first")
_SAVE = message("a picture of a kind that is not read; save it as PNG or TIFF")
_OTHERS = (
    (b"%PDF", message("a PDF document")),
    (b"\x1f\x8b", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", _UNPACK),
    (b"Rar!", _UNPACK),
    (b"\xfd7zXZ", _UNPACK),
    (b"BZh", _UNPACK),
    (b"(\xb5/\xfd", _UNPACK),
    (b"GIF8", _SAVE),
    (b"BM", _SAVE),
    (b"RIFF", _SAVE),
    (b"\x00\x00\x00\x0cjP  ", _SAVE),
    (b"\xff\x4f\xff\x51", _SAVE),
    (b"\0\0\0\x0cJXL ", _SAVE),
    (b"\xff\x0a", _SAVE),
    (b"8BPS", _SAVE),
    (b"v/1\x01", _SAVE),
    (b"II+\0", message("a BigTIFF; save it as TIFF")),
    (b"MM\0+", message("a BigTIFF; save it as TIFF")),
    (b"P6", message("a picture in colour; save it as grey")),
    (b"NRRD", message("a volume (NRRD); save its slices as PNG or TIFF")),
    (b"ObjectType", message("a volume (MetaImage); save its slices as PNG or TIFF")),
    (b"\x5c\x01\0\0", message("a volume (NIfTI); save its slices as PNG or TIFF")),
    (b"\x93NUMPY", message("an array of NumPy; save it as PNG or TIFF")),
    (b"MZ", message("a program")),
    (b"\x7fELF", message("a program")),
    (b"\x89HDF", message("an HDF5 file")),
    (b"SQLite format 3", message("a database")),
    (b"\xd0\xcf\x11\xe0", message("an old Office document")),
    (b"<?xml", message("XML")),
    (b"<", message("HTML or XML")),
    (b"{", message("JSON")),
)

_PICTURES = (b"heic", b"heix", b"mif1", b"avif")
"""Brands of an ISO base media file that holds a still picture."""


def format_of(head: bytes) -> str:
    """DICOM, NO_PREAMBLE, PNG, JPEG, TIFF, PGM or ZIP; "" for anything else."""
    if head[128:132] == b"DICM":
        return DICOM
    for start, name in _IMAGES:
        if head.startswith(start):
            return name
    if head[:2] in (b"P2", b"P5") and head[2:3].isspace():
        return "PGM"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return ZIP
    # DICOM without a preamble, which old equipment wrote, begins with group 0002 or 0008
    if head[:2] in (b"\x08\x00", b"\x02\x00", b"\x00\x08") and (
        head[:2] == b"\x02\x00" or encoding_of(head, announced="") is not None
    ):
        return NO_PREAMBLE
    return ""


def what_else(head: bytes) -> Sentence:
    """Return the type of a file that is no image, for the list of skipped files."""
    if not head.strip(b"\0 \r\n\t"):
        return message("empty")
    for start, what in _OTHERS:
        if head.startswith(start):
            return what
    if head[257:262] == b"ustar":
        return _UNPACK
    if head[4:8] == b"ftyp":
        return _SAVE if head[8:12] in _PICTURES else message("a video")
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or not any(
        byte < 32 and byte not in (9, 10, 12, 13) for byte in head
    ):
        return message("text")
    return message("of no known kind")
