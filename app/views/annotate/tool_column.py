"""The column of tools beside the picture."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QToolButton, QVBoxLayout

from app.actions.actions import Actions

_TOOLS = (
    "select",
    "freehand",
    "polyline",
    "ellipse",
    "livewire",
    "brush",
    "eraser",
    "polygon",
    "box",
    "",
    "lesion_box",
    "lesion_outline",
    "propose",
    "caliper",
    "",
)


def tool_column(actions: Actions) -> QFrame:
    """A button for each tool, then for the history and the view."""
    column = QFrame()
    column.setObjectName("panel")
    layout = QVBoxLayout(column)
    layout.setContentsMargins(4, 6, 4, 6)
    layout.setSpacing(1)
    names = [f"tool.{name}" if name else "" for name in _TOOLS]
    for name in (*names, "edit.undo", "edit.redo", "", "view.fit", "view.invert", "view.lens"):
        if not name:
            layout.addSpacing(8)
            continue
        button = QToolButton()
        button.setDefaultAction(actions[name])
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        layout.addWidget(button)
    layout.addStretch()
    return column
