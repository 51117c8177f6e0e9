"""Masks that are kept in memory in large numbers: cut to what is marked, one bit a pixel, compressed."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
from numpy.typing import NDArray


class Bitmap(msgspec.Struct, frozen=True, kw_only=True):
    """The marked part of a mask. Two masks of one size are equal if their bitmaps are."""

    top: int = 0
    left: int = 0
    rows: int = 0
    columns: int = 0
    bits: bytes = b""

    @classmethod
    def of(cls, mask: NDArray[np.uint8]) -> Bitmap:
        """The bitmap of a mask (rows, columns), marked where it is not 0."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return cls()
        top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
        cut = mask[top:bottom, left:right] != 0
        packed = np.packbits(cut).tobytes()
        return cls(top=top, left=left, rows=bottom - top, columns=right - left, bits=zlib.compress(packed, 1))

    @property
    def empty(self) -> bool:
        return not self.rows

    def cut(self) -> NDArray[np.uint8]:
        """The marked part alone: (rows, columns) of 0 and 1."""
        size = self.rows * self.columns
        packed = zlib.decompressobj().decompress(self.bits, (size + 7) // 8) if size else b""
        return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).reshape(self.rows, self.columns)

    def mask(self, height: int, width: int) -> NDArray[np.uint8]:
        """The whole mask (height, width) of 0 and 1."""
        made = np.zeros((height, width), np.uint8)
        made[self.top : self.top + self.rows, self.left : self.left + self.columns] = self.cut()
        return made

    def joined(self, other: Bitmap) -> Bitmap:
        """Return the union of two masks of one image."""
        if self.empty or other.empty:
            return other if self.empty else self
        height = max(self.top + self.rows, other.top + other.rows)
        width = max(self.left + self.columns, other.left + other.columns)
        return Bitmap.of(self.mask(height, width) | other.mask(height, width))
