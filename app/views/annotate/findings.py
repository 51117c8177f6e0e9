"""The same finding in several pictures: where the pointer or the choice is on one lesion, its partners show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from app.qt.colours import LESION, RIM, SELECTION
from app.widgets.viewer.layers import ShapesLayer, draw_outline
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Point
from core.domain.shapes import Shape, bounds
from core.domain.study import Lesion


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A lesion with what the current reader drew of it."""

    lesion: Lesion
    shapes: tuple[Shape, ...]


class FindingsLayer:
    """The lesions of one picture.

    In the pictures beside the active one it shows outlines and shapes, for reading only; in every picture it
    marks the finding that the pointer is on anywhere, and that is chosen in another one.
    """

    def __init__(self, view: MammogramView) -> None:
        self._view = view
        self._shapes = ShapesLayer(view.update_box)
        self._shapes.opacity = 0.55
        self._lesions: tuple[Lesion, ...] = ()
        self._shown = False
        self._chosen: str | None = None
        self._pointed: str | None = None
        view.layers.insert(0, self)

    @property
    def marked(self) -> tuple[Lesion, ...]:
        """Those that are shown as the same finding."""
        found = {self._pointed, self._chosen if self._shown else None}
        return tuple(lesion for lesion in self._lesions if lesion.finding_id in found)

    def show(self, drawn: Sequence[Drawn], spacing_mm: float | None, *, beside: bool) -> None:
        """``beside``: this picture is not the active one, so nobody else draws its lesions."""
        self._lesions = tuple(found.lesion for found in drawn)
        self._shown = beside
        if self._shapes.spacing_mm != spacing_mm:
            self._shapes.set_shapes(())
            self._shapes.set_spacing(spacing_mm)
        self._shapes.set_shapes(tuple(shape for found in drawn for shape in found.shapes) if beside else ())
        self._view.update()

    def mark(self, *, chosen: str | None, pointed: str | None) -> None:
        """Ids of findings."""
        if (chosen, pointed) != (self._chosen, self._pointed):
            self._chosen, self._pointed = chosen, pointed
            for lesion in self._lesions:
                self._view.update_box(lesion.box, margin=10.0)

    def finding_at(self, point: Point) -> str | None:
        """The finding of the smallest lesion around an image point."""
        around = [lesion for lesion in self._lesions if lesion.box.contains(point)]
        smallest = min(around, key=lambda lesion: lesion.box.width * lesion.box.height, default=None)
        return None if smallest is None else smallest.finding_id

    def paint(self, painter: QPainter, sight: ViewTransform, exposed: QRect) -> None:
        self._shapes.paint(painter, sight, exposed)
        marked = self.marked
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for lesion in self._lesions:
            if not sight.widget_rect(bounds(lesion.outline), margin=8).intersects(exposed):
                continue
            if lesion in marked:
                pointed = lesion.finding_id == self._pointed
                _draw(painter, lesion, sight, RIM, 5.0)
                _draw(painter, lesion, sight, SELECTION if pointed else LESION, 2.6)
            elif self._shown:
                _draw(painter, lesion, sight, RIM, 3.0)
                _draw(painter, lesion, sight, LESION, 1.2)
        painter.restore()


def _draw(painter: QPainter, lesion: Lesion, sight: ViewTransform, colour: QColor, width: float) -> None:
    painter.setPen(QPen(colour, width))
    draw_outline(painter, lesion.outline, sight)
