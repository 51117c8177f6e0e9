"""Dark (the default: reading rooms are dark), light, or as the system has it: a palette and a little style."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication


class Theme(StrEnum):
    DARK = "dark"
    LIGHT = "light"
    SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Shades:
    window: str
    panel: str
    raised: str
    """Of buttons and what is pointed at."""
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


def _style(s: Shades) -> str:
    return f"""
    QToolTip {{ border: 1px solid {s.line}; padding: 4px; }}
    QMainWindow::separator {{ width: 1px; background: {s.line}; }}
    QSplitter::handle {{ background: {s.line}; }}
    QMenuBar {{ background: {s.window}; border-bottom: 1px solid {s.line}; }}
    QMenuBar::item {{ padding: 5px 9px; background: transparent; }}
    QMenuBar::item:selected {{ background: {s.raised}; }}
    QMenu {{ background: {s.panel}; border: 1px solid {s.line}; padding: 4px; }}
    QMenu::item {{ padding: 5px 26px 5px 26px; border-radius: 3px; }}
    QMenu::item:selected {{ background: {s.chosen}; }}
    QMenu::item:disabled {{ color: {s.faint}; }}
    QMenu::separator {{ height: 1px; background: {s.line}; margin: 4px 6px; }}
    QStatusBar {{ border-top: 1px solid {s.line}; }}
    QStatusBar::item {{ border: none; }}
    QPushButton {{ background: {s.raised}; border: 1px solid {s.line}; border-radius: 4px; padding: 5px 12px; }}
    QPushButton:hover {{ border-color: {s.faint}; }}
    QPushButton:focus {{ border-color: {s.accent}; }}
    QPushButton:default {{ background: {s.accent}; color: {s.on_accent}; border-color: {s.accent}; }}
    QPushButton:disabled {{ color: {s.faint}; background: {s.panel}; }}
    QLineEdit, QPlainTextEdit, QComboBox, QDoubleSpinBox {{ background: {s.field}; border: 1px solid {s.line};
        border-radius: 4px; padding: 4px 6px; selection-background-color: {s.accent}; }}
    QLineEdit:focus, QPlainTextEdit:focus, QComboBox:focus, QDoubleSpinBox:focus {{ border-color: {s.accent}; }}
    QComboBox::drop-down {{ border: none; width: 20px; }}
    QListView, QTableView, QTreeView {{ background: {s.panel}; border: none; outline: none; }}
    QHeaderView::section {{ background: {s.panel}; border: none; border-bottom: 1px solid {s.line};
        padding: 5px 6px; color: {s.faint}; }}
    QProgressBar {{ background: {s.field}; border: none; border-radius: 3px; max-height: 6px; }}
    QProgressBar::chunk {{ background: {s.accent}; border-radius: 3px; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
    QScrollBar::handle {{ background: {s.line}; border-radius: 4px; min-height: 28px; min-width: 28px; margin: 1px; }}
    QScrollBar::handle:hover {{ background: {s.faint}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QToolButton {{ background: transparent; border: 1px solid transparent; border-radius: 4px; padding: 4px; }}
    QToolButton:hover {{ background: {s.raised}; }}
    QToolButton:checked {{ background: {s.chosen}; border-color: {s.accent}; }}
    QToolButton:focus {{ border-color: {s.accent}; }}
    #rail {{ background: {s.panel}; border-right: 1px solid {s.line}; }}
    #rail QToolButton {{ padding: 8px 2px; color: {s.faint}; }}
    #rail QToolButton:checked {{ color: {s.text}; }}
    #panel {{ background: {s.panel}; }}
    #panel QScrollArea, #panel QScrollArea > QWidget > QWidget {{ background: {s.panel}; border: none; }}
    #toolstrip {{ background: {s.panel}; border-bottom: 1px solid {s.line}; }}
    #faint {{ color: {s.faint}; }}
    #heading {{ font-weight: 600; }}
    #title {{ font-size: 20pt; font-weight: 600; }}
    #choice QToolButton {{ background: {s.raised}; border: 1px solid {s.line}; padding: 4px 3px; }}
    #choice QToolButton:hover {{ border-color: {s.faint}; }}
    #choice QToolButton:checked {{ background: {s.accent}; color: {s.on_accent}; border-color: {s.accent}; }}
    #choice QToolButton:disabled {{ color: {s.faint}; background: {s.panel}; }}
    #banner {{ background: {s.warning}; }}
    #banner QLabel {{ color: {s.on_warning}; }}
    #banner QPushButton {{ background: transparent; color: {s.on_warning}; border-color: {s.on_warning}; }}
    #badge {{ background: {s.warning}; color: {s.on_warning}; border-radius: 3px; padding: 1px 6px;
        font-weight: 600; }}
    #card {{ background: {s.panel}; border: 1px solid {s.line}; border-radius: 8px; }}
    #card QListView {{ background: transparent; }}
    """
