"""Headers of JPEG, JPEG-LS and JPEG 2000 codestreams, read before any decoder sees them.

A decoder allocates what the codestream announces, which need not be what the file around it announces.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Start-of-frame markers of ISO 10918-1, and SOF55 of JPEG-LS (ISO 14495-1)."""
LOSSLESS_SOF = 0xC3
JPEG_LS_SOF = 0xF7
END_MARK = b"\xff\xd9"
"""End of image (JPEG, JPEG-LS) and end of codestream (JPEG 2000)."""


@dataclass(frozen=True, kw_only=True)
class Codestream:
    width: int
    height: int
    components: int
    precision: int
    signed: bool = False
    """JPEG 2000 only: the others know unsigned samples alone."""
    marker: int = 0
    """JPEG's start-of-frame marker."""
    is_2000: bool = False
    end: int = 0
    """First byte after the end mark, from which on nothing belongs to the picture; 0 where the mark is missing."""
    body: int = 0
    """JPEG 2000: bytes before the end mark by the lengths of the tile-parts; 0 where they are not all there."""


def jpeg_header(data: bytes) -> Codestream | None:
    """The header of a JPEG or JPEG-LS codestream; None where there is no frame header to be found."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # no length
            at += 2
            continue
        if marker in (0xD9, 0xDA):
            return None
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _SOF:
            if at + 10 > len(data):
                return None
            precision, height, width, components = struct.unpack_from(">BHHB", data, at + 4)
            return Codestream(
                width=width,
                height=height,
                components=components,
                precision=precision,
                marker=marker,
                end=_jpeg_end(data, at),
            )
        at += 2 + max(length, 2)
    return None


def jpeg2000_header(data: bytes) -> Codestream | None:
    """The header of a JPEG 2000 codestream, bare or in a JP2 file; None where there is none."""
    at = 0 if data[:4] == b"\xff\x4f\xff\x51" else data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or at + 44 > len(data):
        return None
    width, height, left, top = struct.unpack_from(">4I", data, at + 8)
    (components,) = struct.unpack_from(">H", data, at + 40)
    depth = data[at + 42]
    end, body = _jpeg2000_end(data, at)
    return Codestream(
        width=width - left,
        height=height - top,
        components=components,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        is_2000=True,
        end=end,
        body=body,
    )


def _jpeg_end(data: bytes, start: int) -> int:
    """Return the position after the first end mark that follows the segments at ``start``; 0 without one.

    Packed samples cannot contain it: JPEG follows an FF by 00, JPEG-LS by a byte below 80. Segments of comments
    and previews may contain it.
    """
    at = start
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        at += 2 + max(length, 2)
        if marker == 0xDA:
            break
    found = data.find(END_MARK, at)
    return 0 if found < 0 else found + 2


def _jpeg2000_end(data: bytes, start: int) -> tuple[int, int]:
    """Return the position after the end mark that follows the last tile-part (ISO 15444-1, A.4), 0 if it is
    missing.

    The second value is the number of bytes before the end mark, 0 if some are missing or the number is unknown.
    """
    at = data.find(b"\xff\x90\x00\x0a", start)
    while at >= 0 and data[at : at + 2] == b"\xff\x90" and at + 12 <= len(data):
        (length,) = struct.unpack_from(">L", data, at + 6)
        if not length:  # the last tile-part reaches to the end mark
            found = data.find(END_MARK, at)
            return (0 if found < 0 else found + 2), 0
        at += max(length, 12)
    if at >= 0 and data[at : at + 2] == END_MARK:
        return at + 2, at
    # a byte may have been added for an even length
    return 0, at if 0 <= at <= len(data) <= at + 1 else 0


def is_jpeg(data: bytes) -> bool:
    """Return True if a JPEG or JPEG-LS codestream begins here."""
    return data[:3] == b"\xff\xd8\xff"


def is_jpeg2000(data: bytes) -> bool:
    """Return True if a JPEG 2000 codestream begins here, bare or in a JP2 file."""
    return data[:4] == b"\xff\x4f\xff\x51" or data[4:8] == b"jP  "


def is_jpeg_xl(data: bytes) -> bool:
    """Return True if a JPEG XL codestream begins here, bare or in its container (ISO 18181)."""
    return data[:2] == b"\xff\x0a" or data[:12] == b"\0\0\0\x0cJXL \r\n\x87\n"


def jpeg_xl_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG XL codestream by its SizeHeader (ISO 18181-1, D.2); None where there is none."""
    at = 0 if data[:2] == b"\xff\x0a" else data.find(b"\xff\x0a", 0, 4096)
    bits = int.from_bytes(data[at + 2 : at + 18], "little")
    if at < 0 or len(data) < at + 4:
        return None

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    def side(*, small: bool) -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = bool(take(1))
    height, ratio = side(small=small), take(3)
    if not ratio:
        return side(small=small), height
    over, under = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * over // under, height


def is_rle(data: bytes) -> bool:
    """Return True if a header of PS3.5 annex G is here: up to 15 segments, the first of which follows it."""
    if len(data) < 64:
        return False
    count, *offsets = struct.unpack_from("<16L", data)
    used = offsets[:count]
    return 1 <= count <= 15 and used[0] == 64 and used == sorted(used) and not any(offsets[count:])


def begins_codestream(data: bytes) -> bool:
    """Return True if a frame of any of the kinds begins here."""
    return is_jpeg(data) or is_jpeg2000(data) or is_jpeg_xl(data) or is_rle(data)
