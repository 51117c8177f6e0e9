"""The sheet on F1, made from the catalogue of actions."""

from __future__ import annotations

from collections import defaultdict
from html import escape

from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from app.actions.actions import Actions
from app.actions.keymap import native
from app.qt.translation import tr

_COLUMNS = 3


def mouse_lines() -> list[tuple[str, str]]:
    """Gestures of the view that are no actions."""
    return [
        (tr("Left button"), tr("active tool")),
        (tr("Right drag"), tr("window width and centre")),
        (tr("Right click"), tr("menu")),
        (tr("Middle drag, Space"), tr("move the picture")),
        (tr("Wheel"), tr("zoom at the pointer")),
        (tr("Shift+wheel, Alt+drag"), tr("width of the pen")),
        ("Esc", tr("cancel the stroke")),
        (tr("Enter, double click"), tr("end a polyline")),
        (tr("Backspace"), tr("take back its last vertex")),
        (tr("Delete"), tr("delete the clicked vertex, else the selected shapes")),
        (tr("Double click on a line"), tr("add a vertex")),
        (tr("Ctrl+click on a vertex"), tr("remove it")),
        (tr("G held"), tr("hide everything over the picture")),
    ]


def key_lines() -> list[tuple[str, str]]:
    """Return the keys for drawing, with their effects."""
    return [
        (tr("Arrows"), tr("move the cursor, with Shift further")),
        (tr("Space, Enter"), tr("set a point; pen down and up")),
        (tr("Enter twice"), tr("end the line")),
        ("Esc", tr("cancel; once more: no longer draw with keys")),
    ]


def sheet_html(actions: Actions, faint: str) -> str:
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for spec in actions.specs:
        if keys := actions.keymap.get(spec.id):
            groups[tr(spec.menu_name)].append((native(keys), tr(spec.text).removesuffix("…")))
    # what says most words stands in one column, so that the others stay narrow
    wide = {tr("Mouse and pen"): mouse_lines(), tr("Draw with keys"): key_lines()}
    columns: list[list[str]] = [[] for _ in range(_COLUMNS)]
    lengths = [0] * _COLUMNS
    rest = sorted(groups.items(), key=lambda group: -len(group[1]))
    for title, lines in (*wide.items(), *rest):
        column = _COLUMNS - 1 if title in wide else lengths.index(min(lengths))
        lengths[column] += len(lines) + 2
        rows = "".join(
            f"<tr><td style='padding:1px 14px 1px 0;white-space:nowrap'>{escape(text)}</td>"
            f"<td style='color:{faint};white-space:nowrap'>{escape(keys)}</td></tr>"
            for keys, text in lines
        )
        columns[column].append(f"<h4 style='margin:12px 0 4px 0'>{escape(title)}</h4><table>{rows}</table>")
    cells = "".join(f"<td style='padding-right:30px' valign='top'>{''.join(column)}</td>" for column in columns)
    return f"<table><tr>{cells}</tr></table>"


_AROUND = 60
"""Beside the text: margins and the scroll bar."""


def _natural_width(text: QTextBrowser) -> int:
    """Return the text's width without line breaks; the widget's own document is as wide as the widget now."""
    alone = QTextDocument()
    alone.setDefaultFont(text.font())
    alone.setHtml(text.toHtml())
    return round(alone.idealWidth())


class ShortcutSheet(QDialog):
    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard and mouse"))
        text = QTextBrowser()
        text.setFrameShape(QTextBrowser.Shape.NoFrame)
        text.setHtml(sheet_html(actions, self.palette().placeholderText().color().name()))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setText(tr("Close"))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(buttons)
        # as wide as its columns are: one scrolls down, not aside
        most = max(self.screen().availableGeometry().width(), 0 if parent is None else parent.width() - _AROUND)
        self.resize(min(_natural_width(text) + _AROUND, most), 700)
