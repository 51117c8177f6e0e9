"""Tools that set one vertex a click: polyline and polygon. Enter or a double click ends, Backspace steps back."""

from __future__ import annotations

from PySide6.QtGui import QPainter

from app.qt.translation import tr
from app.widgets.drawing.handles import paint_handles
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.viewer.pointing import Pointer
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Point, box_around
from core.domain.shapes import Line, Polygon, Shape


class VertexTool(DrawingTool):
    fewest = 2
    clicks = True

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._points: list[Point] = []

    @property
    def busy(self) -> bool:
        return bool(self._points)

    @property
    def text(self) -> str:
        """Names the edit."""
        return tr("Polyline")

    def press(self, pointer: Pointer) -> None:
        if not self._points and not self.host.may_draw():
            return
        if self._closes(pointer.at):
            self.finish()
            return
        self._points.append(pointer.at)
        self._show(pointer.at)

    def hover(self, pointer: Pointer) -> None:
        super().hover(pointer)
        if self._points:
            self._show(pointer.at)

    move = hover

    def double_click(self, pointer: Pointer) -> None:
        """Its first press has set the last vertex already."""
        self.finish()

    def finish(self) -> None:
        points = tuple(p for i, p in enumerate(self._points) if i == 0 or p != self._points[i - 1])
        if len(points) < self.fewest:
            return
        self._repaint_handles()
        self._points = []
        try:
            self.host.add(self._shape(points), self.text)
        finally:
            self.host.set_live(())

    def step_back(self) -> None:
        if self._points:
            self._repaint_handles()
            self._points.pop()
            if self._points:
                self._show(self._over or self._points[-1])
            else:
                self.host.set_live(())

    def cancel(self) -> None:
        if self._points:
            self._repaint_handles()
            self._points = []
            self.host.set_live(())

    def change_width(self, steps: float) -> None:
        super().change_width(steps)
        if self._points:
            self._show(self._over or self._points[-1])

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        super().paint(painter, sight)
        paint_handles(painter, sight, self._points)

    def _closes(self, at: Point) -> bool:
        return False

    def _show(self, to: Point) -> None:
        self.host.set_live((self._shape((*self._points, to)),))
        self._repaint_handles()

    def _repaint_handles(self) -> None:
        self.host.repaint(box_around(self._points), margin=8.0)

    def _shape(self, points: tuple[Point, ...]) -> Shape:
        return Line(points=points, width=self.width, role=self.role())


class Polyline(VertexTool):
    """A line of straight pieces."""


class PolygonTool(VertexTool):
    """A filled area; a click on the first vertex closes it too."""

    fewest = 3
    rings = False

    @property
    def text(self) -> str:
        return tr("Polygon")

    def _closes(self, at: Point) -> bool:
        return len(self._points) >= self.fewest and self.near(at, self._points[0])

    def _shape(self, points: tuple[Point, ...]) -> Shape:
        return Polygon(points=points, role=self.role())
