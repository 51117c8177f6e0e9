"""Contrast of text as WCAG 2.1 measures it, and colours with a meaning made readable on any ground.

https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio
"""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtGui import QColor, QPalette

TEXT = 4.5
"""Least ratio of text (WCAG 1.4.3, AA)."""
_STEPS = 100


def luminance(colour: QColor) -> float:
    """Relative luminance, from 0 (black) to 1 (white)."""

    def linear(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(value) for value in (colour.redF(), colour.greenF(), colour.blueF()))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: QColor, second: QColor) -> float:
    """Ratio from 1 (equal) to 21 (black on white)."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def over(colour: QColor, ground: QColor) -> QColor:
    """A colour that lets the ground shine through, as it is seen."""
    share = colour.alphaF()

    def mixed(above: float, below: float) -> float:
        return share * above + (1 - share) * below

    return QColor.fromRgbF(
        mixed(colour.redF(), ground.redF()),
        mixed(colour.greenF(), ground.greenF()),
        mixed(colour.blueF(), ground.blueF()),
    )


def readable(colour: QColor, palette: QPalette) -> QColor:
    """The colour as text on the palette's window, panels and raised parts, as little darker or lighter as ``TEXT``
    needs."""
    roles = (QPalette.ColorRole.Window, QPalette.ColorRole.AlternateBase, QPalette.ColorRole.Midlight)
    return QColor(_readable(colour.name(), *(palette.color(role).name() for role in roles)))


@lru_cache(maxsize=256)
def _readable(name: str, *ground_names: str) -> str:
    grounds = [QColor(ground) for ground in ground_names]
    towards = 0.0 if luminance(grounds[0]) > 0.18 else 1.0
    colour = QColor(name)
    hue, saturation, lightness = colour.hslHueF(), colour.hslSaturationF(), colour.lightnessF()
    for step in range(_STEPS + 1):
        share = step / _STEPS
        mixed = QColor.fromHslF(max(hue, 0.0), saturation, lightness + (towards - lightness) * share)
        shade = QColor(mixed.name())  # as it is painted, in whole steps of 8 bits
        if min(contrast(shade, ground) for ground in grounds) >= TEXT:
            return shade.name()
    return shade.name()
