"""Numbers of an explanation as text: with a true minus sign, always as many digits."""

from __future__ import annotations

from PySide6.QtGui import QColor

from core.explain.report import class_colour, number, percent, signed

MISSING = "–"

__all__ = ["MISSING", "class_qcolour", "number", "optional", "percent", "read_number", "signed"]


def class_qcolour(index: int) -> QColor:
    return QColor(class_colour(index))


def optional(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else number(value, digits)


def read_number(text: str) -> float:
    """What ``number`` and ``signed`` wrote."""
    return float(text.replace("−", "-"))
