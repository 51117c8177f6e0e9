"""Selecting, moving and editing vertices.

A click selects, with Shift adds or takes away; a drag moves what is selected, a drag of a handle its vertex, a
drag from nowhere frames. A double click on a line adds a vertex there, Ctrl and a click on one removes it; Delete
removes the vertex that was clicked last, else the selection. Without a selection the lesion's outline has handles.
"""

from __future__ import annotations

import math
from enum import Enum

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from app.qt.colours import SELECTION
from app.qt.translation import tr
from app.widgets.drawing.handles import paint_chosen_vertex, paint_selected, shown_vertices
from app.widgets.drawing.pen import wider
from app.widgets.drawing.tool_context import DrawingTool, ToolContext
from app.widgets.drawing.tools.outline_editing import OutlineEditing
from app.widgets.viewer.pointing import Pointer
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.edits import (
    Shapes,
    moved,
    replaced,
    shape_at,
    vertex_at,
    vertices,
    with_vertex,
    with_vertex_added,
    without,
    without_vertex,
)
from core.domain.geometry import Box, Point, box_around
from core.domain.shapes import Line, Polygon, Shape, Stroke, bounds

_REACH = 7.0
"""Logical pixels by which a click may miss."""
_START = 3.0
"""Logical pixels after which a press becomes a drag."""


class _Drag(Enum):
    NOTHING = 0
    SHAPES = 1
    VERTEX = 2
    FRAME = 3


class Select(DrawingTool):
    cursor = Qt.CursorShape.ArrowCursor
    rings = False
    clicks = True

    def __init__(self, host: ToolContext) -> None:
        super().__init__(host)
        self._drag = _Drag.NOTHING
        self._start: Point = (0.0, 0.0)
        self._vertex = 0
        self._edited: Shapes | None = None
        self._frame: Box | None = None
        self._chosen: tuple[int, int] | None = None
        """Shape and vertex that were clicked last."""
        self._turned = 0.0
        self.outline = OutlineEditing(host, _REACH)

    @property
    def chosen_vertex(self) -> int | None:
        """The vertex that Delete removes, of the one selected shape."""
        if self._chosen is None or self.host.selection != {self._chosen[0]}:
            return None
        index = self._chosen[1]
        return index if index < len(vertices(self.host.shapes[self._chosen[0]])) else None

    @property
    def busy(self) -> bool:
        return self._drag is not _Drag.NOTHING or self.outline.active or bool(self.host.selection)

    def press(self, pointer: Pointer) -> None:
        self._start = pointer.at
        handle = self._handle_at(pointer.at)
        if handle is not None:
            if pointer.modifiers & Qt.KeyboardModifier.ControlModifier:
                self.remove_vertex(handle)
            else:
                self._drag, self._vertex = _Drag.VERTEX, handle
                self._choose_vertex(handle)
            return
        self._choose_vertex(None)
        if not self.host.selection and self._take_outline(pointer):
            return
        found = self._shape_at(pointer.at)
        adding = bool(pointer.modifiers & Qt.KeyboardModifier.ShiftModifier)
        if found is None:
            if not adding:
                self._select(frozenset())
            if self.outline.edge_at(pointer.at):
                self.outline.press(pointer.at, None)
            else:
                self._drag = _Drag.FRAME
        elif adding:
            self._select(self.host.selection ^ {found})
        else:
            if found not in self.host.selection:
                self._select(frozenset({found}))
            self._drag = _Drag.SHAPES

    def hover(self, pointer: Pointer) -> None:
        """Set the cursor for the object that a press would grab."""
        if self._handle_at(pointer.at) is not None or (
            not self.host.selection and self.outline.handle_at(pointer.at) is not None
        ):
            self.host.show_cursor(Qt.CursorShape.CrossCursor)
        elif self._shape_at(pointer.at) is not None or self.outline.edge_at(pointer.at):
            self.host.show_cursor(Qt.CursorShape.SizeAllCursor)
        else:
            self.host.show_cursor(self.cursor)

    def move(self, pointer: Pointer) -> None:
        if self.outline.active:
            self.outline.move(pointer.at, keep_round=not pointer.modifiers & Qt.KeyboardModifier.ShiftModifier)
            return
        if self._drag is _Drag.NOTHING:
            return
        if self._edited is None and self._frame is None and self.near(pointer.at, self._start, _START):
            return
        if self._drag is _Drag.FRAME:
            self._frame_to(box_around((self._start, pointer.at)))
            return
        if self._edited is None and not self.host.may_draw():
            self._drag = _Drag.NOTHING
            return
        self._show(self._edit(pointer))

    def release(self, pointer: Pointer) -> None:
        self.move(pointer)
        if self.outline.active:
            self.outline.release()
            return
        edited, frame, drag = self._edited, self._frame, self._drag
        selection = self.host.selection
        self._stop()
        if edited is not None:
            text = tr("Move") if drag is _Drag.SHAPES else tr("Vertex")
            self.host.replace(edited, text, selection)
        elif frame is not None:
            inside = {i for i, s in enumerate(self.host.shapes) if self._within(frame, s) and not s.erases}
            self._select(selection | inside)

    def double_click(self, pointer: Pointer) -> None:
        found = self._shape_at(pointer.at)
        if found is None:
            self.outline.add_vertex(pointer.at)
        else:
            self.add_vertex(found, pointer.at)

    def add_vertex(self, index: int, at: Point) -> None:
        """Add a vertex to a shape; where one is there already, a second one on top would only be in the way."""
        if vertex_at(self.host.shapes[index], at, tolerance=_REACH / self.host.scale) is not None:
            return
        if self.host.may_draw():
            chosen = frozenset({index})
            changed = replaced(self.host.shapes, chosen, lambda shape: with_vertex_added(shape, at))
            self.host.replace(changed, tr("Add vertex"), chosen)

    def delete(self) -> None:
        """The vertex that was clicked last, else the selection."""
        vertex = self.chosen_vertex
        if vertex is not None and self._has_vertices():
            self.remove_vertex(vertex)
        elif self.host.selection and self.host.may_draw():
            self._stop()
            self.host.replace(without(self.host.shapes, self.host.selection), tr("Delete"), frozenset())

    def step_back(self) -> None:
        self.delete()

    def cancel(self) -> None:
        """First what is dragged, then the vertex, then the selection."""
        if self.outline.active:
            self.outline.cancel()
        elif self._edited is not None or self._frame is not None:
            self._stop()
        elif self.chosen_vertex is not None:
            self._choose_vertex(None)
        else:
            self._stop()
            self._select(frozenset())

    def nudge(self, dx: float, dy: float) -> bool:
        if not self.host.selection or self._drag is not _Drag.NOTHING:
            return False
        if self.host.may_draw():
            x, y = dx / self.host.scale, dy / self.host.scale
            after = replaced(self.host.shapes, self.host.selection, lambda shape: moved(shape, x, y))
            self.host.replace(after, tr("Move"), self.host.selection)
        return True

    def change_width(self, steps: float) -> None:
        """Change the width of the selected lines by whole steps, each of them one edit; without a selection,
        of the pen."""
        if not self.host.selection:
            self.host.change_pen(steps, eraser=False)
            return
        self._turned += steps
        whole = math.trunc(self._turned)
        self._turned -= whole
        if whole and self.host.may_draw():
            after = replaced(self.host.shapes, self.host.selection, lambda shape: wider(shape, whole))
            self.host.replace(after, tr("Width"), self.host.selection)

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        shapes = self.host.shapes if self._edited is None else self._edited
        paint_selected(painter, sight, [shapes[i] for i in sorted(self.host.selection)])
        vertex = self.chosen_vertex
        if vertex is not None:
            [index] = self.host.selection
            paint_chosen_vertex(painter, sight, vertices(shapes[index])[vertex])
        if not self.host.selection and self.host.takes_outlines:
            self.outline.paint(painter, sight)
        if self._frame is not None:
            f = self._frame
            painter.save()
            painter.setPen(QPen(SELECTION, 1.0, Qt.PenStyle.DashLine))
            painter.drawRect(QRectF(sight.to_widget((f.x0, f.y0)), sight.to_widget((f.x1, f.y1))))
            painter.restore()

    def _take_outline(self, pointer: Pointer) -> bool:
        """Hold or remove the handle of the lesion's outline under the pointer; return True if there was one."""
        handle = self.outline.handle_at(pointer.at)
        if handle is None:
            return False
        if pointer.modifiers & Qt.KeyboardModifier.ControlModifier:
            self.outline.remove_vertex(handle)
        else:
            self.outline.press(pointer.at, handle)
        return True

    def _shape_at(self, at: Point) -> int | None:
        return shape_at(self.host.shapes, at, tolerance=_REACH / self.host.scale, spacing_mm=self.host.spacing_mm)

    def _has_vertices(self) -> bool:
        """Return True if vertices of the one selected shape can be removed: those of boxes and circles cannot."""
        [index] = self.host.selection
        return isinstance(self.host.shapes[index], Line | Stroke | Polygon)

    def _choose_vertex(self, vertex: int | None) -> None:
        self._repaint(self.host.shapes)
        [*selected] = self.host.selection
        self._chosen = None if vertex is None or len(selected) != 1 else (selected[0], vertex)

    def _handle_at(self, at: Point) -> int | None:
        if len(self.host.selection) != 1:
            return None
        shape = self.host.shapes[next(iter(self.host.selection))]
        places = vertices(shape)
        near = [i for i in shown_vertices(shape, self.host.scale) if self.near(places[i], at, _REACH)]
        return min(near, key=lambda i: (places[i][0] - at[0]) ** 2 + (places[i][1] - at[1]) ** 2, default=None)

    def _edit(self, pointer: Pointer) -> Shapes:
        dx, dy = pointer.at[0] - self._start[0], pointer.at[1] - self._start[1]
        round_stays = not pointer.modifiers & Qt.KeyboardModifier.ShiftModifier

        def change(shape: Shape) -> Shape:
            if self._drag is _Drag.SHAPES:
                return moved(shape, dx, dy)
            return with_vertex(shape, self._vertex, pointer.at, keep_round=round_stays)

        return replaced(self.host.shapes, self.host.selection, change)

    def _show(self, edited: Shapes) -> None:
        """The edited shapes stand in for the real ones until the button is released."""
        self._repaint(self._edited or self.host.shapes)
        if self._edited is None:
            self.host.hide(self.host.selection)
        self._edited = edited
        self.host.set_live(tuple(edited[i] for i in sorted(self.host.selection)))
        self._repaint(edited)

    def remove_vertex(self, index: int) -> None:
        """Remove a vertex of the one selected shape; a line that would have one vertex left is removed as a
        whole."""
        self._chosen = None
        if not self.host.may_draw():
            return
        (chosen,) = self.host.selection
        rest = without_vertex(self.host.shapes[chosen], index)
        if rest is None:
            self.delete()
        else:
            changed = replaced(self.host.shapes, frozenset({chosen}), lambda _: rest)
            self.host.replace(changed, tr("Remove vertex"), frozenset({chosen}))

    def _frame_to(self, frame: Box) -> None:
        for box in (self._frame, frame):
            if box is not None:
                self.host.repaint(box)
        self._frame = frame

    def _within(self, frame: Box, shape: Shape) -> bool:
        box = bounds(shape, self.host.spacing_mm)
        return frame.x0 <= box.x0 and frame.y0 <= box.y0 and frame.x1 >= box.x1 and frame.y1 >= box.y1

    def _select(self, indices: frozenset[int]) -> None:
        self.outline.repaint()
        self._repaint(self.host.shapes)
        self.host.select(indices)
        self._repaint(self.host.shapes)

    def _stop(self) -> None:
        if self._frame is not None:
            self.host.repaint(self._frame)
        if self._edited is not None:
            self._repaint(self._edited)
            self.host.set_live(())
            self.host.hide(frozenset())
        self._edited = self._frame = None
        self._drag = _Drag.NOTHING

    def _repaint(self, shapes: Shapes) -> None:
        for index in self.host.selection:
            if index < len(shapes):
                self.host.repaint(bounds(shapes[index], self.host.spacing_mm), margin=10.0)
