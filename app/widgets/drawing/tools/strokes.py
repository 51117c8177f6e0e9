"""Tools that draw along the pointer's way: freehand line, brush, eraser, lesion outline."""

from __future__ import annotations

import math

from app.qt.translation import tr
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.viewer.pointing import Pointer
from core.domain.edits import kept_by_simplifying, simplified
from core.domain.geometry import Point
from core.domain.shapes import Length, Line, Polygon, Shape, Stroke

_APART = 0.7
"""Logical pixels that the pointer must go before a point is kept."""
_STRAIGHT = 0.4
"""Logical pixels by which a finished line may leave the hand's way to need fewer points."""
_LIGHTEST = 0.3
"""Share of the width that a pen without pressure draws."""


class StrokeTool(DrawingTool):
    """Collects points and widths while the button is down; what they become is the subclass's."""

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._points: list[Point] = []
        self._widths: list[float] = []
        self._pressed = False

    @property
    def busy(self) -> bool:
        return bool(self._points)

    def press(self, pointer: Pointer) -> None:
        self.cancel()
        if self.may_begin():
            self._pressed = pointer.pressure is not None and self.host.pen.pressure
            self._take(pointer)
            self.host.add_live(self._piece(0))

    def move(self, pointer: Pointer) -> None:
        super().move(pointer)
        if self._points and math.dist(pointer.at, self._points[-1]) * self.host.scale >= _APART:
            self._take(pointer)
            self.host.add_live(self._piece(len(self._points) - 2))

    def release(self, pointer: Pointer) -> None:
        if not self._points:
            return
        self.move(pointer)
        points, widths = tuple(self._points), tuple(self._widths)
        self._points, self._widths = [], []
        try:
            self._finish(points, widths)
        finally:
            self.host.set_live(())

    def cancel(self) -> None:
        if self._points:
            self._points, self._widths = [], []
            self.host.set_live(())

    def _take(self, pointer: Pointer) -> None:
        share = 1.0
        if self._pressed and pointer.pressure is not None:
            share = _LIGHTEST + (1 - _LIGHTEST) * pointer.pressure
        self._points.append(pointer.at)
        self._widths.append(self.width.value * share)

    def _piece(self, first: int) -> Shape:
        """From point ``first`` to the last one, as shown while it is drawn."""
        points = tuple(self._points[first:])
        if self._pressed or self.erases:
            widths = tuple(self._widths[first:])
            return Stroke(points=points, widths=widths, unit=self.width.unit, role=self.role(), erases=self.erases)
        return Line(points=points, width=self.width, role=self.role())

    def _finish(self, points: tuple[Point, ...], widths: tuple[float, ...]) -> None:
        raise NotImplementedError


class Freehand(StrokeTool):
    """A line of one width in millimetres; with a tablet's pressure a stroke of changing width."""

    def _finish(self, points: tuple[Point, ...], widths: tuple[float, ...]) -> None:
        shape: Shape
        if self._pressed:
            shape = Stroke(points=points, widths=widths, unit=self.width.unit, role=self.role())
        else:
            shape = simplified(
                Line(points=points, width=self.width, role=self.role()), _STRAIGHT / self.host.scale
            )
        self.host.add(shape, tr("Line"))


class Brush(StrokeTool):
    """Paints an area dab by dab."""

    @property
    def text(self) -> str:
        """Names the edit."""
        return tr("Brush")

    def _finish(self, points: tuple[Point, ...], widths: tuple[float, ...]) -> None:
        if not self._pressed:
            kept = [int(i) for i in kept_by_simplifying(points, _STRAIGHT / self.host.scale)]
            points, widths = tuple(points[i] for i in kept), tuple(widths[i] for i in kept)
        if len(points) > 1 and len(points) == points.count(points[0]):
            points, widths = points[:1], widths[:1]
        stroke = Stroke(points=points, widths=widths, unit=self.width.unit, role=self.role(), erases=self.erases)
        self.host.add(stroke, self.text)


class Eraser(Brush):
    """Takes away what earlier shapes marked; has its own width."""

    erases = True

    @property
    def text(self) -> str:
        return tr("Erase")

    def press(self, pointer: Pointer) -> None:
        if self.host.shapes:
            super().press(pointer)


class LesionOutlineTool(StrokeTool):
    """The lesion's contour in one go; it closes by itself."""

    rings = False

    def may_begin(self) -> bool:
        return self.host.may_outline()

    @property
    def width(self) -> Length:
        return Length(value=max(1.5 / self.host.scale, 0.01), unit="px")

    def change_width(self, steps: float) -> None:
        """A contour has none."""

    def _finish(self, points: tuple[Point, ...], widths: tuple[float, ...]) -> None:
        contour = simplified(Polygon(points=points), _STRAIGHT / self.host.scale)
        if isinstance(contour, Polygon) and len(contour.points) >= 3:
            self.host.finish_outline(contour)
