"""Options of de-identification, and the key that keeps it consistent across a study."""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import Annotated

import msgspec

STANDARD_ROOT = "1.2.840.10008."
"""UIDs of the standard itself name no one and stay."""
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_LONGEST_SHIFT = 3_650
_LEADING = 0x7F


class Dates(StrEnum):
    """Treatment of dates and times."""

    REMOVED = "removed"
    """Dates are emptied, removed or replaced according to the table."""
    SHIFTED = "shifted"
    """All of a patient moved into the past by the same number of days, so that intervals stay (113107)."""


class BlackOut(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle of pixels, ``left <= column < right``, that is made black, and the files that it is for."""

    left: Annotated[int, msgspec.Meta(ge=0)]
    top: Annotated[int, msgspec.Meta(ge=0)]
    right: int
    bottom: int
    manufacturer: str = ""
    """Text that Manufacturer (0008,0070) of the files must contain, in either case."""
    model: str = ""
    rows: int | None = None
    columns: int | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of de-identification. ``secret``: 16 bytes or more, one for all files that must stay consistent."""

    secret: bytes
    dates: Dates = Dates.REMOVED
    keep_characteristics: bool = False
    """Age (over 89 as 90), sex, size and weight stay: Retain Patient Characteristics, 113108."""
    black_out: tuple[BlackOut, ...] = ()
    black_out_found: bool = False
    """Also what the detector of burned-in text finds."""

    def __repr__(self) -> str:
        return "Options(secret hidden)"


class Keyed:
    """Replacements that depend on the original and the secret alone; what it made itself, it leaves as it is."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("a secret of at least 16 bytes is needed")
        self._secret = secret

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._secret, f"{purpose}:{text}".encode(), hashlib.sha256).digest()

    def uid(self, original: str) -> str:
        """A UID under 2.25 (PS3.5, B.2) for this one; those of the standard and its own come back unchanged."""
        if not original or original.startswith(STANDARD_ROOT) or self.made_uid(original):
            return original
        return self._sealed_uid(self._digest("uid", original)[:9])

    def made_uid(self, uid: str) -> bool:
        """Return True if this key made the UID."""
        number = uid.removeprefix("2.25.")
        if number == uid or not number.isdecimal() or len(number) > 39 or int(number) >> 128:
            return False
        return self._sealed_uid(int(number).to_bytes(16, "big")[1:10]) == uid

    def _sealed_uid(self, body: bytes) -> str:
        seal = self._digest("uid seal", body.hex())[:6]
        # a leading byte that is never 0 keeps the number's length and layout fixed
        number = int.from_bytes(bytes([_LEADING]) + body + seal, "big")
        return f"2.25.{number}"

    def pseudonym(self, patient_id: str) -> str:
        """``D`` and twelve characters, the last four of which are a seal."""
        if self.made_pseudonym(patient_id):
            return patient_id
        return self._sealed_pseudonym(_letters(self._digest("patient", patient_id), 8))

    def made_pseudonym(self, text: str) -> bool:
        return len(text) == 13 and self._sealed_pseudonym(text[1:9]) == text

    def _sealed_pseudonym(self, body: str) -> str:
        return f"D{body}{_letters(self._digest('patient seal', body), 4)}"

    def days(self, patient_id: str) -> int:
        """Return the number of days by which the patient's dates are moved into the past: 1 to 3,650."""
        return 1 + int.from_bytes(self._digest("days", patient_id)[:8], "big") % _LONGEST_SHIFT


def _letters(digest: bytes, count: int) -> str:
    number = int.from_bytes(digest, "big")
    letters = []
    for _ in range(count):
        number, at = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[at])
    return "".join(letters)
