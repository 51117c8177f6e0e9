"""Operations on the selected shapes. Each is one edit; False if nothing was changed."""

from __future__ import annotations

from collections.abc import Callable

from app.qt.translation import tr
from app.widgets.drawing.document import AnnotationDocument
from core.domain.combine import subtracted, united
from core.domain.edits import (
    Shapes,
    duplicated,
    moved,
    replaced,
    simplified,
    smoothed,
    with_role,
    with_width,
    without,
)
from core.domain.shapes import Length, Role, Shape

_OFFSET_PX = 12.0
_TOLERANCE_PX = 1.5


_OF_SEVERAL = ("unite", "subtract")


def missing(document: AnnotationDocument, operation: str) -> str:
    """Why an operation of this name has nothing to act on, as a sentence; empty where it has."""
    if operation in _OF_SEVERAL and len(document.selection) < 2:
        return tr("Select two or more shapes first: with Select and edit, Shift and a click adds a shape.")
    if not document.selection:
        return tr("Select a shape first: choose Select and edit and click the shape.")
    return ""


def _change(document: AnnotationDocument, change: Callable[[Shape], Shape], text: str) -> bool:
    chosen = document.selection
    return document.replace(replaced(document.shapes, chosen, change), text, select=chosen)


def delete(document: AnnotationDocument) -> bool:
    return document.replace(without(document.shapes, document.selection), tr("Delete"))


def duplicate(document: AnnotationDocument, offset: float = _OFFSET_PX) -> bool:
    """Copies beside the originals, which become the selection; ``offset`` in pixels of the image."""
    count = len(document.shapes)
    copies = frozenset(range(count, count + len(document.selection)))
    after = duplicated(document.shapes, document.selection, offset=offset)
    return document.replace(after, tr("Duplicate"), select=copies)


def nudge(document: AnnotationDocument, dx: float, dy: float) -> bool:
    """Move the selected shapes by this number of image pixels (arrow keys)."""
    return _change(document, lambda shape: moved(shape, dx, dy), tr("Move"))


def set_role(document: AnnotationDocument, role: Role) -> bool:
    return _change(document, lambda shape: with_role(shape, role), tr("Class"))


def set_width(document: AnnotationDocument, width: Length) -> bool:
    return _change(document, lambda shape: with_width(shape, width, document.spacing_mm), tr("Width"))


def simplify(document: AnnotationDocument, tolerance: float = _TOLERANCE_PX) -> bool:
    return _change(document, lambda shape: simplified(shape, tolerance), tr("Simplify"))


def smooth(document: AnnotationDocument) -> bool:
    return _change(document, smoothed, tr("Smooth"))


def unite(document: AnnotationDocument) -> bool:
    """The selected shapes as one (or one for each part that hangs together), in the place of the first."""
    chosen = sorted(document.selection)
    if len(chosen) < 2:
        return False
    together = united([document.shapes[i] for i in chosen], document.spacing_mm)
    return _put(document, chosen, together, tr("Unite"))


def subtract(document: AnnotationDocument) -> bool:
    """The first selected shape less the others, which go."""
    chosen = sorted(document.selection)
    if len(chosen) < 2:
        return False
    first, *others = (document.shapes[i] for i in chosen)
    return _put(document, chosen, subtracted(first, others, document.spacing_mm), tr("Subtract"))


def _put(document: AnnotationDocument, chosen: list[int], parts: Shapes, text: str) -> bool:
    before = tuple(s for i, s in enumerate(document.shapes[: chosen[0]]) if i not in chosen)
    after = tuple(s for i, s in enumerate(document.shapes) if i > chosen[0] and i not in chosen)
    select = frozenset(range(len(before), len(before) + len(parts)))
    return document.replace((*before, *parts, *after), text, select=select)
