"""Edits of shapes in a few words, as the history and Undo name them."""

from __future__ import annotations

from app.qt.translation import tr
from core.domain.edits import Shapes
from core.domain.shape_changes import ShapeChange, compare_shapes
from core.domain.shapes import Ellipse, Line, Polygon, Rectangle, Shape, Stroke


def describe_edit(before: Shapes, after: Shapes) -> str:
    """The step from one state to the next, such as "Circle" or "Line: moved"."""
    change = compare_shapes(before, after)
    what = _name(change.shapes)
    match change.kind:
        case ShapeChange.ADDED:
            return what
        case ShapeChange.REMOVED:
            return tr("{what}: removed", what=what)
        case ShapeChange.MOVED:
            return tr("{what}: moved", what=what)
        case ShapeChange.ROLE:
            return tr("{what}: other layer", what=what)
        case ShapeChange.WIDTH:
            return tr("{what}: width", what=what)
        case ShapeChange.RESHAPED:
            return tr("{what}: reshaped", what=what)
        case ShapeChange.REPLACED:
            return tr("{what}: replaced", what=what)
        case ShapeChange.NOTHING:
            return tr("Same shapes")


def _name(shapes: Shapes) -> str:
    if len(shapes) == 1:
        return _name_of(shapes[0])
    return tr("{n} shapes", n=len(shapes))


def _name_of(shape: Shape) -> str:
    match shape:
        case Ellipse(radius_x=x, radius_y=y):
            return tr("Circle") if x == y else tr("Ellipse")
        case Rectangle():
            return tr("Box")
        case Polygon():
            return tr("Polygon")
        case Line():
            return tr("Line")
        case Stroke(erases=erases):
            return tr("Erase") if erases else tr("Brush")
