"""Pixel under the pointer; needs no viewer, for code that only shows it."""

from __future__ import annotations

from dataclasses import dataclass

from core.domain.geometry import Point


@dataclass(frozen=True)
class PixelProbe:
    """Pixel under the pointer: an image point and the stored value there (None beyond the edge)."""

    at: Point
    value: int | None
