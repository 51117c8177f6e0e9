"""The region of interest, large: the overlay of one prototype, its contour and boxes, the reader's annotation."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QTransform
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt.colours import MASK, SURROUND
from app.qt.translation import tr
from app.widgets.explain.heat import (
    RECEPTIVE,
    RELEVANT,
    HeatLook,
    coloured,
    draw_box,
    draw_cross,
    draw_outline,
    fitted,
    frame_to,
)
from app.widgets.explain.pictures import CasePictures


class RoiView(QWidget):
    pointed = Signal(object)
    """Position of the pointer, as a ``QPointF`` in pixels of the network input; None when it leaves."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pictures: CasePictures | None = None
        self._row: int | None = None
        self._look = HeatLook()
        self._cross: QPointF | None = None
        self._heat: QImage | None = None
        self.setMouseTracking(True)
        self.setMinimumSize(180, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(tr("Region of interest with the activation of the chosen prototype"))

    def sizeHint(self) -> QSize:
        return QSize(360, 360)

    def show_case(self, pictures: CasePictures | None) -> None:
        self._pictures, self._row = pictures, None
        self._refresh()

    def show_row(self, row: int | None) -> None:
        """A row of the explanation, in the order of the prototype layer; None for the plain image."""
        if row != self._row:
            self._row = row
            self._refresh()

    def show_look(self, look: HeatLook) -> None:
        self._look = look
        self._refresh()

    def show_cross(self, at: QPointF | None) -> None:
        """A crosshair at a point of the network input."""
        self._cross = at
        self.update()

    @property
    def row(self) -> int | None:
        return self._row

    def place(self) -> QRectF:
        """Return the area of the image."""
        side = 1 if self._pictures is None else self._pictures.side
        return fitted((side, side), QRectF(self.rect()))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), SURROUND)
        if self._pictures is None:
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place = self.place()
        painter.drawImage(place, self._pictures.roi)
        if self._heat is not None:
            painter.drawImage(place, self._heat)
        frame = frame_to(place, self._pictures.side, self._pictures.side)
        painter.setClipRect(place)
        self._draw_lines(painter, frame)
        if self._cross is not None:
            draw_cross(painter, frame.map(self._cross), place)

    def _draw_lines(self, painter: QPainter, frame: QTransform) -> None:
        assert self._pictures is not None
        panel = self._pictures.panel
        if self._look.annotation:
            for line in panel.fine:
                draw_outline(painter, line, frame, MASK)
        if self._row is None:
            return
        shown = panel.rows[self._row]
        if self._look.receptive:
            draw_box(painter, shown.row.receptive_box, frame, RECEPTIVE, dashed=True)
        if self._look.contour:
            for line in shown.outlines:
                draw_outline(painter, line, frame, RELEVANT)
        if self._look.receptive or not self._look.contour:
            draw_box(painter, shown.row.relevant_box, frame, RELEVANT)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pictures is None:
            return
        place = self.place()
        inverse, _ = frame_to(place, self._pictures.side, self._pictures.side).inverted()
        at = event.position()
        self.pointed.emit(inverse.map(at) if place.contains(at) else None)

    def leaveEvent(self, event: QEvent) -> None:
        self.pointed.emit(None)

    def _refresh(self) -> None:
        self._heat = None
        if self._pictures is not None and self._row is not None:
            self._heat = coloured(self._pictures.map_of(self._row, common=self._look.common), self._look)
        self.setCursor(Qt.CursorShape.CrossCursor if self._pictures is not None else Qt.CursorShape.ArrowCursor)
        self.update()
