"""Editing the outline of the chosen lesion: its handles are dragged one by one, its edge moves it as a whole."""

from __future__ import annotations

import math

from PySide6.QtGui import QPainter

from app.widgets.drawing.handles import paint_handles, shown_vertices
from app.widgets.drawing.tool_context import ToolContext
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.edits import (
    moved,
    on_edge,
    vertex_at,
    vertices,
    with_vertex,
    with_vertex_added,
    without_vertex,
)
from core.domain.geometry import Point
from core.domain.shapes import Ellipse, Polygon, Rectangle, Shape, bounds
from core.domain.study import LesionOutline

_APART = 24.0
"""Logical pixels between handles: a contour that a hand drew has many vertices."""
_MARGIN = 12.0
"""Logical pixels around the outline that its handles may cover."""


class OutlineEditing:
    """The part of the selection tool that changes the lesion's outline; one finished drag is one change."""

    def __init__(self, host: ToolContext, reach: float) -> None:
        """``reach``: logical pixels by which the pointer may miss."""
        self._host, self._reach = host, reach
        self._start: Point | None = None
        self._vertex: int | None = None
        self._edited: LesionOutline | None = None

    @property
    def active(self) -> bool:
        """True while a handle or the edge is held."""
        return self._start is not None

    def handle_at(self, at: Point) -> int | None:
        """The handle under the pointer, as the index of its vertex."""
        outline, scale = self._host.outline, self._host.scale
        if outline is None:
            return None
        places = vertices(outline)
        near = [
            i for i in shown_vertices(outline, scale, _APART) if math.dist(places[i], at) <= self._reach / scale
        ]
        return min(near, key=lambda i: math.dist(places[i], at), default=None)

    def edge_at(self, at: Point) -> bool:
        outline = self._host.outline
        return outline is not None and on_edge(outline, at, tolerance=self._reach / self._host.scale)

    def press(self, at: Point, vertex: int | None) -> None:
        """Take hold of a handle, or of the edge where ``vertex`` is None."""
        if self._host.may_outline():
            self._start, self._vertex = at, vertex

    def move(self, at: Point, *, keep_round: bool) -> None:
        outline = self._host.outline
        if self._start is None or outline is None:
            return
        if self._edited is None and math.dist(at, self._start) * self._host.scale < 3.0:
            return
        changed: Shape
        if self._vertex is None:
            changed = moved(outline, at[0] - self._start[0], at[1] - self._start[1])
        else:
            changed = with_vertex(outline, self._vertex, at, keep_round=keep_round)
        self._edited = _as_outline(changed, outline)
        self._host.show_outline(self._edited)

    def release(self) -> None:
        edited, self._edited, self._start = self._edited, None, None
        if edited is not None:
            self._host.change_outline(edited)

    def cancel(self) -> None:
        """Leave the outline as it is stored."""
        if self._edited is not None:
            self._host.show_outline(None)
        self._edited = self._start = None

    def add_vertex(self, at: Point) -> bool:
        """On the edge of a contour, away from its vertices. False where there is none under the pointer."""
        outline, tolerance = self._host.outline, self._reach / self._host.scale
        if not isinstance(outline, Polygon) or not on_edge(outline, at, tolerance=tolerance):
            return False
        if vertex_at(outline, at, tolerance=tolerance) is None and self._host.may_outline():
            self._host.change_outline(_as_outline(with_vertex_added(outline, at), outline))
        return True

    def remove_vertex(self, index: int) -> None:
        outline = self._host.outline
        if isinstance(outline, Polygon) and self._host.may_outline():
            rest = without_vertex(outline, index)
            if rest is not None:
                self._host.change_outline(_as_outline(rest, outline))

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        outline = self._edited or self._host.outline
        if outline is not None:
            places = vertices(outline)
            paint_handles(painter, sight, (places[i] for i in shown_vertices(outline, sight.scale, _APART)))

    def repaint(self) -> None:
        """The handles come or go."""
        outline = self._edited or self._host.outline
        if outline is not None:
            self._host.repaint(bounds(outline), margin=_MARGIN)


def _as_outline(changed: Shape, before: LesionOutline) -> LesionOutline:
    return changed if isinstance(changed, Rectangle | Ellipse | Polygon) else before
