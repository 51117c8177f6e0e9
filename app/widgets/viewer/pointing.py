"""Pointer data for tools, and the one interface of the viewer's tools."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QPainter

from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Point


@dataclass(frozen=True, slots=True)
class Pointer:
    at: Point
    """In the image's frame."""
    place: QPointF
    """In the widget's."""
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    pressure: float | None = None
    """From 0 to 1 where the pointer is a tablet's pen; None for a mouse."""


class Tool:
    """Tool of the left button. Every method may be called at any time; the default is to do nothing."""

    cursor = Qt.CursorShape.CrossCursor
    clicks = False
    """Flag: each press sets a point; else the tool works from a press to its release."""

    @property
    def busy(self) -> bool:
        """True if something is begun that Esc would cancel."""
        return False

    def chosen(self) -> None:
        """The user chose the tool, or chose it again."""

    def press(self, pointer: Pointer) -> None: ...

    def move(self, pointer: Pointer) -> None:
        """With the button down."""

    def release(self, pointer: Pointer) -> None: ...

    def hover(self, pointer: Pointer) -> None:
        """Handle a move without the button; also called before ``press``."""

    def leave(self) -> None:
        """The pointer left the picture."""

    def double_click(self, pointer: Pointer) -> None: ...

    def finish(self) -> None:
        """Enter."""

    def step_back(self) -> None:
        """Backspace."""

    def delete(self) -> None: ...

    def cancel(self) -> None:
        """Esc, or another tool takes over: leave no trace of what is not finished."""

    def nudge(self, dx: float, dy: float) -> bool:
        """Move the selection by this number of logical pixels, for an arrow key.

        Return False without a selection; then the view is panned."""
        return False

    def change_width(self, steps: float) -> None:
        """``[``, ``]``, Shift and the wheel, Alt and drag; one step is one notch."""

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        """On top of the picture and its layers, in logical coordinates."""
