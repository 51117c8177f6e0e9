"""Position and size of windows on the screen."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget


def resize_on_screen(dialog: QWidget, width: int, height: int) -> None:
    """To this size or the screen's, moved so that nothing of it is beyond the screen's edge."""
    room = dialog.screen().availableGeometry()
    dialog.resize(min(width, room.width()), min(height, room.height()))
    frame = dialog.frameGeometry()
    x = max(min(frame.x(), room.right() + 1 - frame.width()), room.x())
    y = max(min(frame.y(), room.bottom() + 1 - frame.height()), room.y())
    dialog.move(x, y)
