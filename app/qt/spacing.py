"""The spacing scale of the window, in logical pixels, and the layout that every dialog has."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QVBoxLayout

CLOSE, NEAR, APART, EDGE = 4, 8, 12, 16
"""Parts of one control, controls of one group, groups, and the edge of a dialog."""


def dialog_column(dialog: QDialog) -> QVBoxLayout:
    """Set and return a column with the dialog's own margins and the space between its groups."""
    column = QVBoxLayout(dialog)
    column.setContentsMargins(EDGE, EDGE, EDGE, EDGE)
    column.setSpacing(APART)
    return column
