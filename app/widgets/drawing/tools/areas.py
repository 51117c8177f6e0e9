"""Tools that span an area between press and release: circle or ellipse, box, lesion box."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt

from app.qt.translation import tr
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.viewer.pointing import Pointer
from core.domain.geometry import Point, box_around
from core.domain.shapes import Ellipse, Rectangle, Role, Shape

_SMALLEST = 3.0
"""Logical pixels: anything smaller was a click."""


class AreaTool(DrawingTool):
    rings = False

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._start: Point | None = None
        self._shape: Shape | None = None

    @property
    def busy(self) -> bool:
        return self._start is not None

    def press(self, pointer: Pointer) -> None:
        if self.may_begin():
            self._start = pointer.at

    def move(self, pointer: Pointer) -> None:
        if self._start is None:
            return
        self._shape = None
        if math.dist(self._start, pointer.at) * self.host.scale >= _SMALLEST:
            self._shape = self._span(self._start, pointer)
        self.host.set_live(() if self._shape is None else (self._shape,))

    def release(self, pointer: Pointer) -> None:
        if self._start is None:
            return
        self.move(pointer)
        shape = self._shape or self._stamp(self._start)
        self._start = self._shape = None
        try:
            if shape is not None:
                self._finish(shape)
        finally:
            self.host.set_live(())

    def cancel(self) -> None:
        if self._start is not None:
            self._start = self._shape = None
            self.host.set_live(())

    def change_width(self, steps: float) -> None:
        """An area has none."""

    def _span(self, start: Point, pointer: Pointer) -> Shape:
        raise NotImplementedError

    def _stamp(self, at: Point) -> Shape | None:
        """Return the shape that a click without a drag makes."""
        return None

    def _finish(self, shape: Shape) -> None:
        raise NotImplementedError


class EllipseTool(AreaTool):
    """A circle from its centre outwards; with Shift an ellipse. A click sets another circle of the last size."""

    own_role = Role.PROMINENT

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._last_radius: float | None = None

    def _span(self, start: Point, pointer: Pointer) -> Shape:
        x, y = abs(pointer.at[0] - start[0]), abs(pointer.at[1] - start[1])
        role = self.role()
        if pointer.modifiers & Qt.KeyboardModifier.ShiftModifier:
            return Ellipse(centre=start, radius_x=max(x, 0.5), radius_y=max(y, 0.5), role=role)
        radius = math.hypot(x, y)
        return Ellipse(centre=start, radius_x=radius, radius_y=radius, role=role)

    def _stamp(self, at: Point) -> Shape | None:
        if self._last_radius is None:
            return None
        r = self._last_radius
        return Ellipse(centre=at, radius_x=r, radius_y=r, role=self.role())

    def _finish(self, shape: Shape) -> None:
        if isinstance(shape, Ellipse):
            self._last_radius = max(shape.radius_x, shape.radius_y)
        self.host.add(shape, tr("Circle"))


class BoxTool(AreaTool):
    """A filled box from corner to corner."""

    def _span(self, start: Point, pointer: Pointer) -> Shape:
        return Rectangle(box=box_around((start, pointer.at)), role=self.role())

    def _finish(self, shape: Shape) -> None:
        self.host.add(shape, tr("Box"))


class LesionBoxTool(BoxTool):
    """The box around a lesion."""

    def may_begin(self) -> bool:
        return self.host.may_outline()

    def _finish(self, shape: Shape) -> None:
        if isinstance(shape, Rectangle):
            self.host.finish_outline(shape)
