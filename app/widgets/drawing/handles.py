"""Handles of vertices: which of them are shown, and how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter, QPen

from app.qt.colours import RIM, SELECTION
from app.widgets.viewer.layers import draw_outline
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.edits import vertices
from core.domain.geometry import Point
from core.domain.shapes import Shape

SIDE = 7.0
APART = 9.0
"""Logical pixels between the handles of one shape; vertices that are closer share the first one's."""


def shown_vertices(shape: Shape, scale: float, apart: float = APART) -> list[int]:
    """Indices of the vertices that have a handle at this scale: zoom in to reach the others."""
    chosen: list[int] = []
    last: Point | None = None
    for index, (x, y) in enumerate(vertices(shape)):
        if last is None or (x - last[0]) ** 2 + (y - last[1]) ** 2 >= (apart / scale) ** 2:
            chosen.append(index)
            last = (x, y)
    return chosen


def paint_handles(painter: QPainter, sight: ViewTransform, points: Iterable[Point]) -> None:
    painter.save()
    painter.setPen(QPen(RIM, 1.0))
    painter.setBrush(SELECTION)
    for point in points:
        place = sight.to_widget(point)
        painter.drawRect(QRectF(round(place.x() - SIDE / 2) + 0.5, round(place.y() - SIDE / 2) + 0.5, SIDE, SIDE))
    painter.restore()


def paint_chosen_vertex(painter: QPainter, sight: ViewTransform, point: Point) -> None:
    """The handle that Delete removes: larger, and filled with the colour of the rim."""
    painter.save()
    painter.setPen(QPen(SELECTION, 2.0))
    painter.setBrush(RIM)
    place = sight.to_widget(point)
    painter.drawRect(QRectF(place.x() - SIDE / 2 - 0.5, place.y() - SIDE / 2 - 0.5, SIDE + 1, SIDE + 1))
    painter.restore()


def paint_selected(painter: QPainter, sight: ViewTransform, shapes: Sequence[Shape]) -> None:
    """A white outline (a line's middle) with a dark rim, and handles where one shape alone is selected."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in ((QColor(RIM), 3.0), (SELECTION, 1.2)):
        painter.setPen(QPen(colour, width))
        painter.setBrush(QColor(0, 0, 0, 0))
        for shape in shapes:
            draw_outline(painter, shape, sight)
    painter.restore()
    if len(shapes) == 1:
        places = vertices(shapes[0])
        paint_handles(painter, sight, (places[i] for i in shown_vertices(shapes[0], sight.scale)))
