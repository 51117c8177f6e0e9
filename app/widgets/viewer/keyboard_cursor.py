"""Drawing without a mouse: a cursor on the picture that arrow keys move, and keys that press the tool there."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QPointF, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPen

from app.qt.colours import RIM, SELECTION
from app.qt.translation import tr
from app.widgets.viewer.pointing import Pointer, Tool
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Point

_STEP, _LARGE_STEP = 1, 10
"""Logical pixels that an arrow key moves the cursor, and with Shift."""
_EDGE = 24
"""The view is panned when the cursor comes closer to its edge, logical pixels."""
_ARM, _GAP = 11, 4
_Key = Qt.Key
_SET, _END = (_Key.Key_Space,), (_Key.Key_Return, _Key.Key_Enter)


class Surface(Protocol):
    """Interface of a view for the keyboard cursor that draws on it."""

    @property
    def tool(self) -> Tool: ...
    @property
    def sight(self) -> ViewTransform: ...
    def size(self) -> QSize: ...
    def to_image(self, place: QPointF) -> Point: ...
    def pan_by(self, dx: float, dy: float) -> None: ...
    def point_at(self, place: QPointF | None) -> None: ...
    def repaint_hand(self, area: QRect) -> None: ...
    def announce(self, sentence: str) -> None: ...


class KeyboardCursor:
    """Space or Enter sets a point where the tool sets points, else it puts the pen down and lifts it again.
    Enter where the last point was set ends the line. Esc cancels it, and then the drawing with keys."""

    def __init__(self, view: Surface) -> None:
        self._view = view
        self._at: Point | None = None
        self._last: Point | None = None
        self._down: Tool | None = None

    @property
    def active(self) -> bool:
        return self._at is not None

    @property
    def place(self) -> QPointF:
        """Position of the cursor in the view; only while active."""
        assert self._at is not None
        return self._view.sight.to_widget(self._at)

    def start(self) -> None:
        """In the middle of the view."""
        size = self._view.size()
        self._put(QPointF(size.width() / 2, size.height() / 2))
        self._view.announce(
            tr(
                "Drawing with keys: arrows move the cursor (Shift: further), Space or Enter sets a point, "
                "Enter twice ends a line, Esc cancels."
            )
        )

    def stop(self) -> None:
        """Cancel the shape that is begun."""
        if self._at is None:
            return
        area = self.area
        if self._down is not None:
            self._down.cancel()
        self._at = self._last = self._down = None
        self._view.repaint_hand(area)
        self._view.point_at(None)

    def lift(self) -> None:
        """Another tool comes."""
        self._down = self._last = None

    def move(self, x: int, y: int, *, large: bool) -> None:
        """One step in a direction, with the pen where it is down."""
        step = _LARGE_STEP if large else _STEP
        self._put(self.place + QPointF(x * step, y * step))
        pointer = self._pointer()
        if self._down is not None:
            self._down.move(pointer)
        else:
            self._view.tool.hover(pointer)

    def key(self, key: Qt.Key) -> bool:
        """Handle Space, Enter or Esc; return True if the key has a meaning here."""
        if key in _SET:
            self._set()
        elif key in _END:
            if self._last == self._at and self._view.tool.clicks and self._view.tool.busy:
                self._view.tool.finish()
                self._last = None
                self._view.announce(tr("The line is finished."))
            else:
                self._set()
        elif key == _Key.Key_Escape:
            self._cancel()
        else:
            return False
        return True

    @property
    def area(self) -> QRect:
        """Return the area that the cursor covers, in logical pixels."""
        place = self.place.toPoint()
        return QRect(place.x() - _ARM - 2, place.y() - _ARM - 2, 2 * _ARM + 5, 2 * _ARM + 5)

    def paint(self, painter: QPainter) -> None:
        if self._at is None:
            return
        place = self.place
        painter.save()
        for colour, width in ((RIM, 3.0), (SELECTION, 1.4)):
            painter.setPen(QPen(colour, width))
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                painter.drawLine(place + QPointF(x, y) * _GAP, place + QPointF(x, y) * _ARM)
        painter.restore()

    def _put(self, place: QPointF) -> None:
        if self._at is not None:
            self._view.repaint_hand(self.area)
        at = self._view.to_image(place)
        self._at = round(at[0], 3), round(at[1], 3)
        size = self._view.size()
        x = min(max(place.x(), _EDGE), max(size.width() - _EDGE, _EDGE)) - place.x()
        y = min(max(place.y(), _EDGE), max(size.height() - _EDGE, _EDGE)) - place.y()
        if x or y:
            self._view.pan_by(x, y)
        self._view.repaint_hand(self.area)
        self._view.point_at(self.place)

    def _pointer(self) -> Pointer:
        assert self._at is not None
        return Pointer(self._at, self.place)

    def _set(self) -> None:
        tool, pointer = self._view.tool, self._pointer()
        if self._down is not None:
            down, self._down = self._down, None
            down.release(pointer)
            self._view.announce(tr("The pen is lifted."))
            return
        tool.hover(pointer)
        tool.press(pointer)
        self._last = self._at
        if tool.clicks:
            tool.release(pointer)
            self._view.announce(tr("A point is set."))
        elif tool.busy:
            self._down = tool
            self._view.announce(tr("The pen is down; Space or Enter lifts it."))

    def _cancel(self) -> None:
        self._last = None
        if self._down is not None or self._view.tool.busy:
            self._down = None
            self._view.tool.cancel()
            self._view.announce(tr("The unfinished shape was cancelled."))
        else:
            self.stop()
            self._view.announce(tr("Drawing with keys is off."))
