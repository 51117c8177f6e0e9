"""Changes between two states of an annotation, so that a history can name its steps."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from core.domain.edits import Shapes, moved, vertices
from core.domain.shapes import Line, Role, Shape, Stroke

_STILL = 1e-6
"""Pixels by which a moved shape may be off through rounding."""


class ShapeChange(StrEnum):
    NOTHING = "nothing"
    ADDED = "added"
    REMOVED = "removed"
    MOVED = "moved"
    ROLE = "role"
    WIDTH = "width"
    RESHAPED = "reshaped"
    REPLACED = "replaced"
    """Several shapes by others in one step, as when shapes are united."""


@dataclass(frozen=True, kw_only=True)
class ChangedShapes:
    kind: ShapeChange
    shapes: Shapes
    """Those that were added, changed (as they are now) or, for REMOVED, removed."""


def compare_shapes(before: Shapes, after: Shapes) -> ChangedShapes:
    """Return the one step that leads from ``before`` to ``after``; shapes unchanged at both ends are ignored."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    gone, come = before[start : len(before) - end], after[start : len(after) - end]
    if not gone:
        return ChangedShapes(kind=ShapeChange.ADDED if come else ShapeChange.NOTHING, shapes=come)
    if not come:
        return ChangedShapes(kind=ShapeChange.REMOVED, shapes=gone)
    if len(gone) != len(come):
        removed = tuple(shape for shape in gone if shape not in come)
        if len(come) < len(gone) and len(removed) == len(gone) - len(come):
            return ChangedShapes(kind=ShapeChange.REMOVED, shapes=removed)
        return ChangedShapes(kind=ShapeChange.REPLACED, shapes=come)
    pairs = [(a, b) for a, b in zip(gone, come, strict=True) if a != b]
    kinds = {_kind(a, b) for a, b in pairs}
    kind = kinds.pop() if len(kinds) == 1 else ShapeChange.REPLACED
    return ChangedShapes(kind=kind, shapes=tuple(b for _, b in pairs))


def _kind(before: Shape, after: Shape) -> ShapeChange:
    if type(before) is not type(after):
        return ShapeChange.REPLACED
    # a change makes an edited shape of a proposed one
    before = msgspec.structs.replace(before, origin=after.origin)
    if msgspec.structs.replace(before, role=after.role) == after:
        return ShapeChange.ROLE
    if _without_width(before) == _without_width(after):
        return ShapeChange.WIDTH
    (x0, y0), (x1, y1) = vertices(before)[0], vertices(after)[0]
    shifted = moved(before, x1 - x0, y1 - y0)
    if len(vertices(shifted)) == len(vertices(after)) and all(
        abs(a[0] - b[0]) < _STILL and abs(a[1] - b[1]) < _STILL
        for a, b in zip(vertices(shifted), vertices(after), strict=True)
    ):
        return ShapeChange.MOVED
    return ShapeChange.RESHAPED


def _without_width(shape: Shape) -> object:
    """Return the role and points of a line or stroke, without its width; any other shape as it is."""
    role: Role = shape.role
    return (role, shape.points) if isinstance(shape, Line | Stroke) else shape
