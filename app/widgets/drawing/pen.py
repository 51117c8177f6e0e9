"""Settings of the pens."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.domain.edits import with_width
from core.domain.shapes import Length, Line, Role, Shape, Stroke

_PEN = Length(value=2.0, unit="mm")
_ERASER = Length(value=4.0, unit="mm")
_A_STEP = 1.15
_SMALLEST = {"mm": 0.1, "px": 1.0}
_LARGEST = {"mm": 40.0, "px": 400.0}


@dataclass(frozen=True, kw_only=True)
class Pen:
    width: Length = _PEN
    eraser: Length = _ERASER
    role: Role | None = None
    """Role of new shapes; None leaves it to the tool (circles are prominent, lines margin)."""
    pressure: bool = True
    """Flag: a tablet's pressure changes the width."""

    def for_image(self, spacing_mm: float | None) -> Pen:
        """With widths in pixels where the image has no spacing (a millimetre counts as ten)."""
        if spacing_mm is not None:
            return self
        return replace(self, width=_in_px(self.width), eraser=_in_px(self.eraser))

    def stepped(self, steps: float, *, eraser: bool) -> Pen:
        """Return the pen wider (or narrower) by this number of notches of 15%."""
        if eraser:
            return replace(self, eraser=_stepped(self.eraser, steps))
        return replace(self, width=_stepped(self.width, steps))


def wider(shape: Shape, steps: float) -> Shape:
    """Return a line or stroke wider (or narrower) by this number of notches of 15%; other shapes unchanged."""
    if isinstance(shape, Line):
        return with_width(shape, _stepped(shape.width, steps))
    if isinstance(shape, Stroke):
        return with_width(shape, _stepped(Length(value=max(shape.widths), unit=shape.unit), steps))
    return shape


def width_of(shape: Shape) -> Length | None:
    """Return the width of a line, or of the widest part of a stroke; None for a shape without a width."""
    if isinstance(shape, Line):
        return shape.width
    return Length(value=max(shape.widths), unit=shape.unit) if isinstance(shape, Stroke) else None


def _stepped(width: Length, steps: float) -> Length:
    value = width.value * _A_STEP**steps
    return Length(value=min(max(value, _SMALLEST[width.unit]), _LARGEST[width.unit]), unit=width.unit)


def _in_px(width: Length) -> Length:
    return width if width.unit == "px" else Length(value=width.value * 10, unit="px")
