"""Icons are SVG drawn in ``currentColor``; here they get the colours of the palette."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "icons"
_SIZES = (16, 20, 24, 32, 48)


@cache
def _source(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text("utf-8")


def pixmap(name: str, colour: QColor, size: int, ratio: float = 1.0) -> QPixmap:
    """``size`` logical pixels wide, for a screen with ``ratio`` device pixels in a logical one."""
    return _drawn(_renderer(name, colour), colour, size, ratio)


def _renderer(name: str, colour: QColor) -> QSvgRenderer:
    return QSvgRenderer(QByteArray(_source(name).replace("currentColor", colour.name()).encode()))


def _drawn(renderer: QSvgRenderer, colour: QColor, size: int, ratio: float) -> QPixmap:
    drawn = QPixmap(round(size * ratio), round(size * ratio))
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    painter.setOpacity(colour.alphaF())
    renderer.render(painter, QRectF(0, 0, drawn.width(), drawn.height()))
    painter.end()
    drawn.setDevicePixelRatio(ratio)
    return drawn


def icon(name: str, palette: QPalette) -> QIcon:
    """In the palette's colours of text, also where it is disabled."""
    made = QIcon()
    for group, mode in (
        (QPalette.ColorGroup.Active, QIcon.Mode.Normal),
        (QPalette.ColorGroup.Disabled, QIcon.Mode.Disabled),
    ):
        colour = palette.color(group, QPalette.ColorRole.ButtonText)
        renderer = _renderer(name, colour)
        for size in _SIZES:
            made.addPixmap(_drawn(renderer, colour, size, 1.0), mode)
    return made
