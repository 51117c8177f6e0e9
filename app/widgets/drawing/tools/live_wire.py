"""A line that snaps to edges. Each click fixes the way so far; Enter or a double click ends it."""

from __future__ import annotations

from PySide6.QtGui import QPainter

from app.qt.translation import tr
from app.widgets.drawing.handles import paint_handles
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.viewer.pointing import Pointer
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Point, box_around
from core.domain.shapes import Line
from core.imaging.live_wire import LiveWire


class LiveWireTool(DrawingTool):
    clicks = True

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._parts: list[tuple[Point, ...]] = []
        """Fixed ways between clicks; the first is the first click alone."""
        self._wire: LiveWire | None = None

    @property
    def busy(self) -> bool:
        return bool(self._parts)

    def press(self, pointer: Pointer) -> None:
        if not self._parts:
            if not self.host.may_draw():
                return
            self._parts = [(pointer.at,)]
        elif self._wire is not None and pointer.at != self._parts[-1][-1]:
            self._parts.append(self._wire.path_to(pointer.at))
        self._seed()
        self._show(pointer.at)

    def hover(self, pointer: Pointer) -> None:
        super().hover(pointer)
        if self._parts:
            self._show(pointer.at)

    move = hover

    def double_click(self, pointer: Pointer) -> None:
        self.finish()

    def finish(self) -> None:
        points = self._fixed()
        self.cancel()
        if len(points) >= 2:
            line = Line(points=points, width=self.width, role=self.role())
            self.host.add(line, tr("Live wire"))

    def step_back(self) -> None:
        if len(self._parts) <= 1:
            self.cancel()
            return
        self._repaint_handles()
        self._parts.pop()
        self._seed()
        self._show(self._over or self._parts[-1][-1])

    def cancel(self) -> None:
        if self._parts:
            self._repaint_handles()
            self._parts, self._wire = [], None
            self.host.set_live(())

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        super().paint(painter, sight)
        paint_handles(painter, sight, [part[-1] for part in self._parts])

    def _seed(self) -> None:
        picture, table = self.host.picture, self.host.table
        if picture is not None and table is not None:
            self._wire = LiveWire(picture.levels, table, self._parts[-1][-1], zoom=self.host.scale)

    def _show(self, to: Point) -> None:
        points = self._fixed()
        if self._wire is not None and to != points[-1]:
            points = (*points, *self._wire.path_to(to)[1:])
        self.host.set_live((Line(points=points, width=self.width, role=self.role()),))
        self._repaint_handles()

    def _fixed(self) -> tuple[Point, ...]:
        return tuple(p for i, part in enumerate(self._parts) for p in (part if i == 0 else part[1:]))

    def _repaint_handles(self) -> None:
        self.host.repaint(box_around(part[-1] for part in self._parts), margin=8.0)
