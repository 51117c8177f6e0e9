"""Measuring a distance, with what the measure rests on."""

from __future__ import annotations

import math
from collections.abc import Callable

from PySide6.QtCore import QPointF, QRect, QRectF
from PySide6.QtGui import QColor, QPainter, QPen

from app.qt.colours import MEASURE, RIM
from app.qt.formatting import decimal
from app.qt.translation import tr
from app.widgets.viewer.pointing import Pointer, Tool
from app.widgets.viewer.text import draw_plate, text_box
from app.widgets.viewer.view_transform import ViewTransform
from core.domain.geometry import Point

_AT_DETECTOR = "Imager"
"""Part of the name of each spacing source that refers to the detector (DICOM Imager Pixel Spacing)."""


def distance_text(start: Point, end: Point, spacing_mm: float | None, source: str) -> str:
    """The distance in mm, with "est." if it was taken at the detector, which magnifies; in pixels without a
    spacing."""
    pixels = math.dist(start, end)
    if spacing_mm is None:
        return tr("{0} px, no spacing").format(f"{pixels:.0f}")
    length = decimal(pixels * spacing_mm, 1)
    return tr("{length} mm, est.", length=length) if _AT_DETECTOR in source else f"{length} mm"


def basis_text(spacing_mm: float | None, source: str) -> str:
    """Return a sentence on the basis of a distance."""
    if spacing_mm is None:
        return tr("The file has no pixel spacing; distances are in pixels.")
    return tr("Distances rest on: {source}", source=source or tr("basis not stated"))


class Caliper(Tool):
    """Drag from one point to another; the measure stays until the next one or Esc."""

    def __init__(self, repaint: Callable[[], None]) -> None:
        self._repaint = repaint
        self._ends: tuple[Point, Point] | None = None
        self._dragging = False
        self.spacing_mm: float | None = None
        self.source = ""

    @property
    def busy(self) -> bool:
        return self._ends is not None

    @property
    def text(self) -> str:
        """Text beside the line; empty without a line."""
        return "" if self._ends is None else distance_text(*self._ends, self.spacing_mm, self.source)

    def press(self, pointer: Pointer) -> None:
        self._ends, self._dragging = (pointer.at, pointer.at), True
        self._repaint()

    def move(self, pointer: Pointer) -> None:
        if self._dragging and self._ends is not None:
            self._ends = (self._ends[0], pointer.at)
            self._repaint()

    def release(self, pointer: Pointer) -> None:
        self.move(pointer)
        self._dragging = False
        if self._ends is not None and self._ends[0] == self._ends[1]:
            self.cancel()

    def cancel(self) -> None:
        self._ends, self._dragging = None, False
        self._repaint()

    def area(self, sight: ViewTransform) -> QRect:
        """Return the area that the line and its text may cover, in logical pixels."""
        if self._ends is None:
            return QRect()
        a, b = (sight.to_widget(end) for end in self._ends)
        return QRectF(a, b).normalized().adjusted(-20, -60, 280, 60).toAlignedRect()

    def paint(self, painter: QPainter, sight: ViewTransform) -> None:
        if self._ends is None:
            return
        a, b = (sight.to_widget(end) for end in self._ends)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        length = math.hypot(b.x() - a.x(), b.y() - a.y()) or 1.0
        across = QPointF(-(b.y() - a.y()) / length * 7, (b.x() - a.x()) / length * 7)
        for colour, width in ((QColor(RIM), 3.6), (MEASURE, 1.6)):
            painter.setPen(QPen(colour, width))
            painter.drawLine(a, b)
            for end in (a, b):
                painter.drawLine(end - across, end + across)
        end = b if b.x() >= a.x() else a
        box = text_box(painter, self.text)
        beyond = end.x() + 14 + box.width() > painter.viewport().width()
        place = end + (QPointF(-14 - box.width(), 12) if beyond else QPointF(14, -16))
        draw_plate(painter, self.text, place, colour=MEASURE)
        painter.restore()
