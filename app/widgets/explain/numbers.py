"""Numbers of an explanation as text: with a true minus sign and the user's decimal mark, always as many digits."""

from __future__ import annotations

import re

from PySide6.QtCore import QLocale
from PySide6.QtGui import QColor, QPalette

from app.qt.contrast import readable
from app.qt.translation import tr
from core.explain import report
from core.explain.report import class_colour

MISSING = "–"
_POINT = re.compile(r"(?<=\d)\.(?=\d)")

__all__ = [
    "MISSING",
    "class_qcolour",
    "class_text",
    "localised",
    "number",
    "optional",
    "percent",
    "read_number",
    "signed",
]


def class_qcolour(index: int) -> QColor:
    return QColor(class_colour(index))


def class_text(index: int, palette: QPalette) -> QColor:
    """The colour of a class as that of a word: darker on a light ground, so that it can be read."""
    return readable(class_qcolour(index), palette)


def number(value: float, digits: int = 2) -> str:
    return localised(report.number(value, digits))


def signed(value: float, digits: int = 2) -> str:
    return localised(report.signed(value, digits))


def percent(share: float) -> str:
    """A share of 1 as the user writes it: "43%" or "43 %"."""
    return tr("{number}%", number=localised(report.percent(share)).removesuffix("%"))


def localised(text: str) -> str:
    """A text of numbers, such as "0.81 (0.78 to 0.83)", with the user's decimal mark."""
    return _POINT.sub(QLocale().decimalPoint(), text)


def optional(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else number(value, digits)


def read_number(text: str) -> float:
    """Return the number in a text written by ``number`` or ``signed``."""
    return float(text.replace("−", "-").replace(QLocale().decimalPoint(), "."))
