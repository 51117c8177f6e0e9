"""The sheet on F1, made from the catalogue of actions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLineEdit, QPushButton, QTextBrowser, QWidget

from app.actions.actions import Actions
from app.actions.keymap import native
from app.qt.spacing import dialog_column
from app.qt.translation import tr

_COLUMNS = 3
_TEXT = 54
"""Share of a column that its text takes beside the keys, in percent."""


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
        (tr("Backspace"), tr("remove its last vertex")),
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


def sheet_groups(actions: Actions) -> dict[str, list[tuple[str, str]]]:
    """Title of each group to its lines, (keys, what they do), the longest group last."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for spec in actions.specs:
        if keys := actions.keymap.get(spec.id):
            groups[tr(spec.menu_name)].append((native(keys), tr(spec.text).removesuffix("…")))
    groups = dict(sorted(groups.items(), key=lambda group: -len(group[1])))
    # what says most words stands in one column, so that the others stay narrow
    return {tr("Mouse and pen"): mouse_lines(), tr("Draw with keys"): key_lines(), **groups}


def found_in(groups: Mapping[str, Sequence[tuple[str, str]]], search: str) -> dict[str, list[tuple[str, str]]]:
    """Leave the lines in which every word of the search occurs: in the keys, in what they do, or in the title."""
    words = search.lower().split()
    left = {}
    for title, lines in groups.items():
        fitting = [line for line in lines if all(word in f"{title} {' '.join(line)}".lower() for word in words)]
        if fitting:
            left[title] = fitting
    return left


def sheet_html(groups: Mapping[str, Sequence[tuple[str, str]]], faint: str) -> str:
    """Return the groups in columns, none of them much longer than the others; a sentence if there are none."""
    if not groups:
        return f"<p style='color:{faint}'>{escape(tr('No key does this.'))}</p>"
    columns: list[list[str]] = [[] for _ in range(_COLUMNS)]
    lengths = [0] * _COLUMNS
    wide = (tr("Mouse and pen"), tr("Draw with keys"))
    for title, lines in groups.items():
        column = _COLUMNS - 1 if title in wide else lengths.index(min(lengths))
        lengths[column] += len(lines) + 2
        rows = "".join(
            f"<tr><td width='{_TEXT}%' style='padding:1px 14px 1px 0'>{escape(text)}</td>"
            f"<td width='{100 - _TEXT}%' style='color:{faint}'>{escape(keys)}</td></tr>"
            for keys, text in lines
        )
        columns[column].append(
            f"<h4 style='margin:12px 0 4px 0'>{escape(title)}</h4><table width='100%'>{rows}</table>"
        )
    # every width is given: left to themselves, tables within a table get no wider than one letter
    cells = "".join(
        f"<td width='{100 // _COLUMNS}%' style='padding-right:24px' valign='top'>{''.join(column)}</td>"
        for column in columns
    )
    return f"<table width='100%'><tr>{cells}</tr></table>"


_AROUND = 60
"""Beside the text: margins and the scroll bar."""
_WIDE, _HIGH = 1220, 1000
"""Most of the room that the sheet takes, logical pixels."""


class ShortcutSheet(QDialog):
    change_wanted = Signal()
    """The user wants other keys."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard and mouse"))
        self._groups = sheet_groups(actions)
        self.search, self.text = QLineEdit(), QTextBrowser()
        self.search.setPlaceholderText(tr("Search a key or what it does"))
        self.search.setAccessibleName(tr("Search a key or what it does"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._show)
        self.text.setFrameShape(QTextBrowser.Shape.NoFrame)
        self._show()
        change, close = QPushButton(tr("Change keys…")), QPushButton(tr("Close"))
        change.clicked.connect(self._change)
        close.clicked.connect(self.reject)
        change.setAutoDefault(False)
        line = QHBoxLayout()
        line.addWidget(change)
        line.addStretch()
        line.addWidget(close)
        layout = dialog_column(self)
        layout.addWidget(self.search)
        layout.addWidget(self.text, 1)
        layout.addLayout(line)
        # one scrolls down, not aside
        room = self.screen().availableGeometry()
        most = max(room.width(), 0 if parent is None else parent.width() - _AROUND)
        self.resize(min(_WIDE, most), min(room.height() - _AROUND, _HIGH))

    def _show(self) -> None:
        left = found_in(self._groups, self.search.text())
        self.text.setHtml(sheet_html(left, self.palette().placeholderText().color().name()))

    def _change(self) -> None:
        self.accept()
        self.change_wanted.emit()
