"""Dark (the default: reading rooms are dark), light, or as the system has it: a palette and a little style."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from string import Template

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

ICONS = Path(__file__).resolve().parents[2] / "resources" / "icons"
STYLE = Path(__file__).resolve().parents[2] / "resources" / "style.qss"


class Theme(StrEnum):
    DARK = "dark"
    LIGHT = "light"
    SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Shades:
    window: str
    panel: str
    raised: str
    """Colour of buttons and of items under the pointer."""
    field: str
    line: str
    text: str
    faint: str
    accent: str
    on_accent: str
    chosen: str
    """Behind what is chosen; the text on it keeps its colour."""
    warning: str
    on_warning: str


_CHOSEN = 0.17
"""Share of the accent in what lies behind a chosen entry that the program paints."""

DARK = Shades(
    window="#14161a",
    panel="#1a1d22",
    raised="#262a31",
    field="#101216",
    line="#30353d",
    text="#e4e7eb",
    faint="#9aa3ae",
    accent="#5aa9e6",
    on_accent="#0b1117",
    chosen="#21384d",
    warning="#4a3a14",
    on_warning="#f6dfa6",
)
LIGHT = Shades(
    window="#e9ebee",
    panel="#f6f7f8",
    raised="#ffffff",
    field="#ffffff",
    line="#c6cbd2",
    text="#1b1f24",
    faint="#59626d",
    accent="#0b65a8",
    on_accent="#ffffff",
    chosen="#cfe4f5",
    warning="#fdeec4",
    on_warning="#4d3a00",
)


def shades_of(application: QApplication, theme: Theme) -> Shades:
    if theme is Theme.SYSTEM:
        light = application.styleHints().colorScheme() == Qt.ColorScheme.Light
        return LIGHT if light else DARK
    return LIGHT if theme is Theme.LIGHT else DARK


def apply_theme(application: QApplication, theme: Theme) -> Shades:
    shades = shades_of(application, theme)
    application.setStyle("Fusion")
    application.setPalette(_palette(shades))
    application.setStyleSheet(_style(shades))
    return shades


def faint(palette: QPalette) -> QColor:
    """For what is less important, on any background of the theme."""
    return palette.color(QPalette.ColorRole.PlaceholderText)


def chosen(palette: QPalette) -> QColor:
    """Return the translucent colour behind a chosen entry, on which faint text stays readable."""
    colour = QColor(palette.color(QPalette.ColorRole.Highlight))
    colour.setAlphaF(_CHOSEN)
    return colour


def warning(palette: QPalette) -> QColor:
    """Return the colour of a warning text, on any background of the theme."""
    dark = palette.color(QPalette.ColorRole.Window).lightness() < 128
    return QColor("#f0c26b") if dark else QColor("#8a5200")


def _palette(s: Shades) -> QPalette:
    role = QPalette.ColorRole
    palette = QPalette()
    for which, colour in (
        (role.Window, s.window),
        (role.WindowText, s.text),
        (role.Base, s.field),
        (role.AlternateBase, s.panel),
        (role.Text, s.text),
        (role.PlaceholderText, s.faint),
        (role.Button, s.raised),
        (role.ButtonText, s.text),
        (role.BrightText, s.on_warning),
        (role.ToolTipBase, s.raised),
        (role.ToolTipText, s.text),
        (role.Highlight, s.accent),
        (role.HighlightedText, s.on_accent),
        (role.Link, s.accent),
        (role.Light, s.raised),
        (role.Midlight, s.raised),
        (role.Mid, s.line),
        (role.Dark, s.line),
        (role.Shadow, s.line),
        (role.Accent, s.accent),
    ):
        palette.setColor(which, QColor(colour))
    disabled = QColor(s.faint)
    disabled.setAlphaF(0.55)
    for which in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, disabled)
    return palette


def _style(shades: Shades) -> str:
    """``resources/style.qss`` with the names of shades in it replaced by their colours."""
    # a style sheet cannot colour a picture: the tick lies on the accent
    tick = "tick-light" if shades.on_accent == LIGHT.on_accent else "tick-dark"
    return Template(STYLE.read_text("utf-8")).substitute(asdict(shades), icons=ICONS.as_posix(), tick=tick)
