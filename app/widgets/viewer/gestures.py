"""Translation of mouse, pen, wheel and key events into requests to the view.

Moves are gathered: however many arrive before the event loop is idle, the picture is windowed, moved and read out
once."""

from __future__ import annotations

import math
from typing import Protocol

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QKeyEvent, QMouseEvent, QTabletEvent, QWheelEvent

from app.widgets.viewer.bindings import Bindings, Drag, ViewCommand, Wheel
from app.widgets.viewer.keyboard_cursor import KeyboardCursor
from app.widgets.viewer.pointing import Pointer, Tool
from app.widgets.viewer.wheel import WheelSteps
from core.domain.geometry import Point

_ZOOM_A_NOTCH = 1.2
_STILL = 4.0
"""Logical pixels within which a press and release is a click."""
_Modifier = Qt.KeyboardModifier
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_NUDGE = 10
"""Logical pixels that an arrow key with Shift moves what is selected; without, it is one."""
_PAN = 60
"""Logical pixels that an arrow key moves the view."""


class Target(Protocol):
    """Interface of a view for gestures."""

    bindings: Bindings
    hand: KeyboardCursor

    @property
    def tool(self) -> Tool: ...
    def to_image(self, place: QPointF) -> Point: ...
    def drag_window(self, dx: float, dy: float) -> None: ...
    def pan_by(self, dx: float, dy: float) -> None: ...
    def zoom_by(self, factor: float, at: QPointF) -> None: ...
    def run(self, command: ViewCommand) -> None: ...
    def set_peeking(self, peeking: bool) -> None: ...
    def point_at(self, place: QPointF | None) -> None: ...
    def ask_for_menu(self, place: QPoint) -> None: ...
    def ask_for_page(self, steps: int) -> None: ...
    @property
    def has_slices(self) -> bool: ...
    def ask_for_slice(self, steps: int) -> None: ...
    def show_cursor(self, shape: Qt.CursorShape) -> None: ...


class Gestures(QObject):
    def __init__(self, view: Target, parent: QObject) -> None:
        super().__init__(parent)
        self._view = view
        self._drag = Drag.NOTHING
        self._button = Qt.MouseButton.NoButton
        self._last = QPointF()
        self._origin = QPointF()
        self._clicking = False
        self._sizing = False
        self._space = False
        self._pending = QPointF(0, 0)
        self._turned = 0.0
        self._wheel = WheelSteps()
        self._pen_down = False
        self._pointed: QPointF | None = None
        self._gather = QTimer(self)
        self._gather.setSingleShot(True)
        self._gather.setInterval(0)
        self._gather.timeout.connect(self._settle)

    def press(self, event: QMouseEvent) -> None:
        if self._button != Qt.MouseButton.NoButton or self._pen_down:
            return
        self._view.hand.stop()
        drag = Drag.PAN if self._space else self._view.bindings.drag_of(event.button())
        self._button, self._drag = event.button(), drag
        self._last = self._origin = event.position()
        self._clicking = True
        if drag is Drag.PAN:
            self._view.show_cursor(Qt.CursorShape.ClosedHandCursor)
        if drag is not Drag.TOOL:
            return
        pointer = self._pointer(event.position(), event.modifiers())
        self._sizing = bool(event.modifiers() & _Modifier.AltModifier)
        if not self._sizing:
            self._view.tool.hover(pointer)
            self._view.tool.press(pointer)

    def move(self, event: QMouseEvent) -> None:
        place = event.position()
        step = place - self._last
        away = place - self._origin
        if math.hypot(away.x(), away.y()) > _STILL:
            self._clicking = False
        self._last = place
        if self._drag is Drag.NOTHING:
            self._view.tool.hover(self._pointer(place, event.modifiers()))
        elif self._drag is Drag.TOOL and self._sizing:
            self._view.tool.change_width(step.x() / 10)
        elif self._drag is Drag.TOOL:
            self._view.tool.move(self._pointer(place, event.modifiers()))
        elif not (self._clicking and self._drag is Drag.WINDOW):
            self._pending += step
        self._pointed = place
        self._gather.start()

    def release(self, event: QMouseEvent) -> None:
        if event.button() != self._button:
            return
        drag, self._drag, self._button = self._drag, Drag.NOTHING, Qt.MouseButton.NoButton
        self._settle_drag(drag)
        if drag is Drag.TOOL and not self._sizing:
            self._view.tool.release(self._pointer(event.position(), event.modifiers()))
        elif drag is Drag.PAN:
            self._rest_cursor()
        if self._clicking and drag is not Drag.TOOL and event.button() == Qt.MouseButton.RightButton:
            self._view.ask_for_menu(event.position().toPoint())
        self._sizing = self._clicking = False

    def double_click(self, event: QMouseEvent) -> None:
        """The second press of a double click: the tool's own business, else a press like any other."""
        if self._view.bindings.drag_of(event.button()) is Drag.TOOL and not self._space:
            self._view.tool.double_click(self._pointer(event.position(), event.modifiers()))
        else:
            self.press(event)

    def tablet(self, event: QTabletEvent) -> None:
        """A pen draws with its pressure; its buttons and hovering become mouse events (not accepted here)."""
        kind = event.type()
        draws = self._view.bindings.left is Drag.TOOL and not self._space
        if kind == QEvent.Type.TabletPress and draws and event.button() == Qt.MouseButton.LeftButton:
            self._pen_down = True
            self._view.tool.press(self._pen(event))
        elif kind == QEvent.Type.TabletMove and self._pen_down:
            self._view.tool.move(self._pen(event))
        elif kind == QEvent.Type.TabletRelease and self._pen_down:
            self._pen_down = False
            self._view.tool.release(self._pen(event))
        else:
            event.ignore()
            return
        self._pointed = event.position()
        self._gather.start()
        event.accept()

    def wheel(self, event: QWheelEvent) -> None:
        modifiers = event.modifiers()
        widens = bool(modifiers & _Modifier.ShiftModifier)
        notches = self._wheel.notches(event, sideways_too=widens)
        if not notches:
            event.accept()
            return
        if widens:
            self._view.tool.change_width(notches)
        elif modifiers & _Modifier.ControlModifier or self._wheel_zooms():
            self._view.zoom_by(_ZOOM_A_NOTCH ** self._wheel.zoom_notches(event), event.position())
        else:
            self._turned += notches
            steps = math.trunc(self._turned)
            self._turned -= steps
            if steps and self._view.has_slices:
                self._view.ask_for_slice(-steps)
            elif steps:
                self._view.ask_for_page(-steps)
        event.accept()

    def _wheel_zooms(self) -> bool:
        """The plain wheel goes through the slices of a tomosynthesis, whatever it does elsewhere."""
        return self._view.bindings.wheel is Wheel.ZOOM and not self._view.has_slices

    def key_press(self, event: QKeyEvent) -> bool:
        """Handle a key press; return True if the key has a meaning here."""
        bindings = self._view.bindings
        key, modifiers = Qt.Key(event.key()), event.modifiers()
        if modifiers & _Modifier.AltModifier:
            return False
        hand, large = self._view.hand, bool(modifiers & _Modifier.ShiftModifier)
        if hand.active and not modifiers & _Modifier.ControlModifier:
            if key in _ARROWS:
                hand.move(*_ARROWS[key], large=large)
                return True
            if event.isAutoRepeat() and key == Qt.Key.Key_Space:
                return True
            if hand.key(key):
                return True
        if key == bindings.pan_key:
            if not event.isAutoRepeat():
                self._space = True
                self._view.show_cursor(Qt.CursorShape.OpenHandCursor)
            return True
        if key == bindings.peek_key and not modifiers & _Modifier.ControlModifier:
            self._view.set_peeking(True)
            return True
        if key in _ARROWS and not modifiers & _Modifier.ControlModifier:
            self._arrow(*_ARROWS[key], large=large)
            return True
        command = bindings.keys.get((key, bool(modifiers & _Modifier.ControlModifier)))
        if command is None:
            return False
        self._view.run(command)
        return True

    def key_release(self, event: QKeyEvent) -> None:
        if event.isAutoRepeat():
            return
        if event.key() == self._view.bindings.pan_key:
            self._space = False
            self._rest_cursor()
        elif event.key() == self._view.bindings.peek_key:
            self._view.set_peeking(False)

    def leave(self) -> None:
        self._pointed = None
        self._view.tool.leave()
        self._gather.start()

    def let_go(self) -> None:
        """The window lost the keyboard: no key is held any more."""
        self._space = False
        self._view.set_peeking(False)
        self._rest_cursor()

    def abandon(self) -> None:
        """Another picture comes: what is dragged ends here."""
        self._view.hand.stop()
        self._drag, self._button = Drag.NOTHING, Qt.MouseButton.NoButton
        self._pending = QPointF(0, 0)
        self._pen_down = self._sizing = False

    def _arrow(self, x: int, y: int, *, large: bool) -> None:
        """Moves the selection, else looks further in that direction."""
        step = _NUDGE if large else 1
        if not self._view.tool.nudge(x * step, y * step):
            self._view.pan_by(-x * _PAN, -y * _PAN)

    def _settle(self) -> None:
        self._settle_drag(self._drag)
        self._view.point_at(self._pointed)

    def _settle_drag(self, drag: Drag) -> None:
        step, self._pending = self._pending, QPointF(0, 0)
        if step.isNull():
            return
        if drag is Drag.WINDOW:
            self._view.drag_window(step.x(), step.y())
        elif drag is Drag.PAN:
            self._view.pan_by(step.x(), step.y())

    def _rest_cursor(self) -> None:
        self._view.show_cursor(Qt.CursorShape.OpenHandCursor if self._space else self._view.tool.cursor)

    def _pointer(self, place: QPointF, modifiers: Qt.KeyboardModifier) -> Pointer:
        return Pointer(self._point(place), place, modifiers)

    def _pen(self, event: QTabletEvent) -> Pointer:
        place = event.position()
        return Pointer(self._point(place), place, event.modifiers(), event.pressure())

    def _point(self, place: QPointF) -> Point:
        """Return the image point, rounded below pointer precision so that stored shapes have short numbers."""
        x, y = self._view.to_image(place)
        return round(x, 3), round(y, 3)
