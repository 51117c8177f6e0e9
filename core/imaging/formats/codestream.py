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
    complete: bool = True
    """Whether the end marker is there."""


def jpeg_header(data: bytes) -> Codestream | None:
    """Of a JPEG or JPEG-LS codestream; None where there is no frame header to be found."""
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
                complete=_ends(data),
            )
        at += 2 + max(length, 2)
    return None


def jpeg2000_header(data: bytes) -> Codestream | None:
    """Of a JPEG 2000 codestream, bare or in a JP2 box; None where there is none."""
    at = 0 if data[:4] == b"\xff\x4f\xff\x51" else data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0 or at + 44 > len(data):
        return None
    width, height, left, top = struct.unpack_from(">4I", data, at + 8)
    (components,) = struct.unpack_from(">H", data, at + 40)
    depth = data[at + 42]
    return Codestream(
        width=width - left,
        height=height - top,
        components=components,
        precision=(depth & 0x7F) + 1,
        signed=bool(depth & 0x80),
        complete=_ends(data),
    )


def _ends(data: bytes) -> bool:
    """Whether the end marker stands last, but for padding (zeros, or fill bytes of an odd length)."""
    return data[-64:].rstrip(b"\0\xff").endswith(b"\xff\xd9")
