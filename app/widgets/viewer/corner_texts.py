"""Texts in the corners of a view: side and view, zoom, window, and a notice if the display is not calibrated."""

from __future__ import annotations

from typing import Protocol

from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QFont, QPainter, QPalette

from app.qt.colours import FAINT_TEXT, TEXT, WARNING_TEXT
from app.qt.translation import tr
from app.widgets.viewer.picture import Display, Picture, voi_name
from app.widgets.viewer.text import draw_plate, text_box
from app.widgets.viewer.viewport import Viewport
from core.domain.vocabulary import Laterality

_EDGE = 10


def name_of(picture: Picture) -> str:
    """Return the picture's name, such as "R CC"; empty if the file gives neither side nor view."""
    side = {Laterality.LEFT: "L", Laterality.RIGHT: "R"}.get(picture.laterality) if picture.laterality else None
    return " ".join(part for part in (side, picture.view.value.upper() if picture.view else None) if part)


class Sided(Protocol):
    @property
    def laterality(self) -> Laterality | None: ...


def chest_wall_on_right(picture: Sided) -> bool:
    """A right breast is hung with its chest wall to the right, towards the left breast beside it."""
    return picture.laterality is Laterality.RIGHT


class CornerView(Protocol):
    """The part of a mammogram view that its corner texts need."""

    caption: str
    has_notice: bool
    calibrated: bool
    message: str
    framed: bool

    @property
    def picture(self) -> Picture | None: ...
    @property
    def display(self) -> Display | None: ...
    @property
    def viewport(self) -> Viewport: ...
    def width(self) -> int: ...
    def height(self) -> int: ...
    def rect(self) -> QRect: ...
    def font(self) -> QFont: ...
    def palette(self) -> QPalette: ...


def paint_corners(view: CornerView, painter: QPainter, exposed: QRect) -> None:
    picture, display = view.picture, view.display
    if picture is None or display is None:
        return
    strip = 84
    if exposed.top() > strip and exposed.bottom() < view.height() - strip:
        return
    painter.save()
    small = QFont(view.font())
    large = QFont(small)
    large.setPointSizeF(small.pointSizeF() * 1.35)
    large.setBold(True)
    # the side and view stand away from the chest wall, where there is no tissue
    at_left = chest_wall_on_right(picture)
    x = _EDGE if at_left else view.width() - _EDGE
    y = float(_EDGE)
    if name := name_of(picture):
        painter.setFont(large)
        y = draw_plate(painter, name, QPointF(x, y), colour=TEXT, right=not at_left).bottom() + 4
    painter.setFont(small)
    if view.caption:
        y = draw_plate(painter, view.caption, QPointF(x, y), colour=TEXT, right=not at_left).bottom() + 4
    if picture.title:
        draw_plate(painter, picture.title, QPointF(x, y), colour=FAINT_TEXT, right=not at_left)
    lines = [voi_name(display.voi) + (tr(", inverted") if display.inverted else "")]
    lines.append(tr("zoom {0}").format(f"{view.viewport.zoom * 100:.0f}%"))
    text = "\n".join(lines)
    height = text_box(painter, text).height()
    draw_plate(painter, text, QPointF(x, view.height() - _EDGE - height), colour=FAINT_TEXT, right=not at_left)
    if view.has_notice and not view.calibrated:
        notice = tr("Display not calibrated (GSDF)")
        plate = text_box(painter, notice)
        other = view.width() - _EDGE if at_left else _EDGE
        # above the window and zoom where both do not fit beside each other
        crowded = plate.width() + text_box(painter, text).width() + 3 * _EDGE > view.width()
        below = height + 4 if crowded else 0
        corner = QPointF(other, view.height() - _EDGE - below - plate.height())
        draw_plate(painter, notice, corner, colour=WARNING_TEXT, right=at_left)
    painter.restore()


def paint_message(view: CornerView, painter: QPainter) -> None:
    """Paint the message in place of a picture, and the frame of the active view."""
    painter.setPen(FAINT_TEXT)
    inner = view.rect().adjusted(24, 24, -24, -24)
    painter.drawText(inner, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), view.message)
    if view.framed:
        painter.setPen(view.palette().highlight().color())
        painter.drawRect(view.rect().adjusted(0, 0, -1, -1))
