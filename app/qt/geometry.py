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


def keep_on_screen(window: QWidget) -> None:
    """Shrink and move a window that is shown, so that its frame, which is known by then, lies on the screen."""
    room, frame = window.screen().availableGeometry(), window.frameGeometry()
    larger = window.width() > room.width() or window.height() > room.height()  # somebody made it so
    if room.contains(frame) or larger or window.isMaximized() or window.isFullScreen():
        return
    width = window.width() - max(frame.width() - room.width(), 0)
    height = window.height() - max(frame.height() - room.height(), 0)
    window.setMinimumSize(min(window.minimumWidth(), width), min(window.minimumHeight(), height))
    resize_on_screen(window, width, height)
