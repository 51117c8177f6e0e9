"""Activation maps as pictures whose colours can be changed without touching a pixel.

A map is kept as 256 steps; the colour map and its opacity are the picture's colour table. The colours are those
of ``core.explain.render``: the same map looks the same on a page and on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF, QTransform

from core.domain.geometry import Box
from core.explain import render
from core.explain.render import ColourMap, HeatStyle

COLOUR_MAPS: tuple[ColourMap, ...] = ("magma", "viridis", "jet")
RELEVANT = QColor(*render.RELEVANT_COLOUR)
RECEPTIVE = QColor(*render.RECEPTIVE_COLOUR)


@dataclass(frozen=True, kw_only=True)
class HeatLook:
    """Look of the maps over pictures, the same everywhere on a screen."""

    colours: ColourMap = "magma"
    strength: float = 0.75
    """Opacity at the hot end."""
    common: bool = True
    """One scale for all maps of a case; else each map from its own lowest to its own highest value."""
    contour: bool = True
    """The outline of the top 5%."""
    receptive: bool = False
    """The box of what the strongest cell can see at most."""
    annotation: bool = True
    """The reader's fine annotation."""


def grey_picture(pixels: NDArray[np.uint8]) -> QImage:
    """(H, W) grey values; a copy."""
    held = np.ascontiguousarray(pixels)
    height, width = held.shape
    return QImage(held.data, width, height, width, QImage.Format.Format_Grayscale8).copy()


def map_picture(activation: NDArray[np.floating], low: float, high: float) -> QImage:
    """(H, W) in 256 steps from ``low`` to ``high``; ``coloured`` gives it its colours."""
    span = high - low
    share = np.zeros(activation.shape) if span <= 0 else np.clip((activation - low) / span, 0, 1)
    steps = np.rint(share * 255).astype(np.uint8)
    height, width = steps.shape
    return QImage(steps.data, width, height, width, QImage.Format.Format_Indexed8).copy()


@lru_cache(maxsize=64)
def colour_table(colours: ColourMap, strength: float) -> tuple[int, ...]:
    """ARGB of the 256 steps: the opacity grows with the power 1.5 of the share, as on the pages."""
    share = np.arange(256) / 255
    rgb = render.heat(share[None], HeatStyle(high=1.0, colours=colours))[0]
    alpha = np.rint(255 * strength * share**1.5).astype(np.uint8)
    return tuple(QColor(int(r), int(g), int(b), int(a)).rgba() for (r, g, b), a in zip(rgb, alpha, strict=True))


def coloured(picture: QImage, look: HeatLook) -> QImage:
    """The picture of a map, in colours that let the image shine through."""
    shown = QImage(picture)
    shown.setColorTable(list(colour_table(look.colours, look.strength)))
    return shown.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)


def fitted(size: tuple[int, int], place: QRectF) -> QRectF:
    """The largest rectangle of these proportions (width, height) in the middle of ``place``."""
    width, height = size
    scale = min(place.width() / max(width, 1), place.height() / max(height, 1))
    shown = QRectF(0, 0, width * scale, height * scale)
    shown.moveCenter(place.center())
    return shown


def frame_to(place: QRectF, width: float, height: float) -> QTransform:
    """From pixels of a picture to where it is drawn."""
    return QTransform.fromTranslate(place.x(), place.y()).scale(place.width() / width, place.height() / height)


def draw_box(painter: QPainter, box: Box, frame: QTransform, colour: QColor, *, dashed: bool = False) -> None:
    """An outline with a dark seam, seen on any ground."""
    where = frame.mapRect(QRectF(box.x0, box.y0, box.width, box.height))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 190), 3.5))
    painter.drawRect(where)
    painter.setPen(QPen(colour, 1.6, Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine))
    painter.drawRect(where)


def draw_outline(painter: QPainter, corners: NDArray[np.float32], frame: QTransform, colour: QColor) -> None:
    polygon = frame.map(QPolygonF([QPointF(float(x), float(y)) for x, y in corners]))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(0, 0, 0, 170), 3.0))
    painter.drawPolygon(polygon)
    painter.setPen(QPen(colour, 1.5))
    painter.drawPolygon(polygon)


def draw_cross(painter: QPainter, at: QPointF, place: QRectF) -> None:
    """A crosshair through ``at`` that leaves the point itself free."""
    gap = 4.0
    for colour, width in ((QColor(0, 0, 0, 160), 3.0), (QColor(255, 255, 255, 220), 1.0)):
        painter.setPen(QPen(colour, width))
        painter.drawLine(QPointF(place.left(), at.y()), QPointF(at.x() - gap, at.y()))
        painter.drawLine(QPointF(at.x() + gap, at.y()), QPointF(place.right(), at.y()))
        painter.drawLine(QPointF(at.x(), place.top()), QPointF(at.x(), at.y() - gap))
        painter.drawLine(QPointF(at.x(), at.y() + gap), QPointF(at.x(), place.bottom()))
