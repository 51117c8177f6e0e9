"""Encoding of a DICOM data set, determined from its bytes.

The Transfer Syntax of the file meta information is often wrong: forwarding software rewrites one without the
other. The first element of a data set shows which of the native encodings it has.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE = frozenset((IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED))
PACKED_UNKNOWN = "encapsulated"
"""Placeholder for a Transfer Syntax if pixels are packed and no syntax names the method; the codestream identifies
it."""

_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT "
    b"UV".split()
)
_FIRST_GROUPS = frozenset(range(0x0030)) - {0x0002}
"""Groups that a data set of an image begins with: command groups aside, 0008 and at most 0028."""


@dataclass(frozen=True, kw_only=True)
class SyntaxEncoding:
    """One of the native encodings (PS3.5, annex A)."""

    implicit: bool
    little: bool
    deflated: bool = False

    @property
    def syntax(self) -> str:
        if self.deflated:
            return DEFLATED
        if not self.little:
            return EXPLICIT_BIG
        return IMPLICIT_LITTLE if self.implicit else EXPLICIT_LITTLE


def encoding_of(data: bytes, *, announced: str) -> SyntaxEncoding | None:
    """The encoding of a data set that begins with ``data``; None where it begins like none that is not deflated.

    ``announced``: Transfer Syntax UID, which decides where the bytes allow for several.
    """
    if len(data) < 8:
        return None
    group_little, group_big = struct.unpack("<H", data[:2])[0], struct.unpack(">H", data[:2])[0]
    explicit = data[4:6] in _VRS
    little_fits, big_fits = group_little in _FIRST_GROUPS, group_big in _FIRST_GROUPS
    if little_fits and (not big_fits or announced != EXPLICIT_BIG):
        if explicit:
            return SyntaxEncoding(implicit=False, little=True)
        return SyntaxEncoding(implicit=True, little=True) if _implicit_fits(data) else None
    if big_fits:
        return SyntaxEncoding(implicit=not explicit, little=False)
    return None


def encoding_announced(syntax: str) -> SyntaxEncoding:
    """The encoding that a Transfer Syntax stands for; explicit little endian for those of packed pixels."""
    return SyntaxEncoding(implicit=syntax == IMPLICIT_LITTLE, little=syntax != EXPLICIT_BIG)


def _implicit_fits(data: bytes) -> bool:
    """Return True if the first element is short enough to be one of implicit encoding."""
    length = int.from_bytes(data[4:8], "little")
    return length < 0x10000 or length == 0xFFFFFFFF
