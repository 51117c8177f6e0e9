"""Painting on paper: a cursor that goes down the page, and the few forms of which a page consists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

WIDTH = 1000.0
"""Width of a page in its own units; heights follow."""
MARGIN = 44.0
INNER = WIDTH - 2 * MARGIN
INK, SOFT, FAINT = QColor("#11161c"), QColor("#3d4854"), QColor("#5b6773")
LINE, RAISED = QColor("#c8d0d9"), QColor("#e9edf1")
UP, DOWN = QColor("#6f9a94"), QColor("#a8786f")
BANNER = QColor("#f2b84b")


@dataclass(frozen=True, kw_only=True)
class Type:
    """One size of the type scale of a page."""

    size: float
    bold: bool = False
    colour: QColor = field(default_factory=lambda: QColor(INK))

    @property
    def font(self) -> QFont:
        font = QFont()
        font.setPixelSize(round(self.size))
        font.setBold(self.bold)
        return font

    @property
    def line(self) -> float:
        """Height of a line."""
        return QFontMetricsF(self.font).height()


TITLE = Type(size=27, bold=True)
HEADING = Type(size=18, bold=True)
STRONG = Type(size=13.5, bold=True)
BODY = Type(size=13.5)
QUIET = Type(size=13.5, colour=SOFT)
SMALL = Type(size=11.5, colour=SOFT)
TINY = Type(size=10.5, colour=FAINT)
BIG = Type(size=18, bold=True)


class Sheet:
    """``new_page`` begins a page where one is full; None for one page of any length."""

    def __init__(self, painter: QPainter, *, height: float, new_page: Callable[[], object] | None) -> None:
        self.painter, self.height = painter, height
        self._new_page = new_page
        self.y = MARGIN
        self.number = 1
        self.foot: Callable[[Sheet], None] | None = None
        """Paints what stands at the end of every page."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)

    def need(self, room: float, again: Callable[[], object] | None = None) -> None:
        """Begin a new page unless so much is left; ``again`` paints what is repeated on its top."""
        if self._new_page is None or self.y + room <= self.height - MARGIN - 40:
            return
        self.end()
        self._new_page()
        self.number += 1
        self.y = MARGIN
        if again is not None:
            again()

    def end(self) -> None:
        """The end of this page."""
        if self.foot is not None:
            self.foot(self)

    def text(self, area: QRectF, text: str, kind: Type, *, right: bool = False, wrap: bool = False) -> None:
        self.painter.setFont(kind.font)
        self.painter.setPen(kind.colour)
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        flags = int(side | Qt.AlignmentFlag.AlignTop)
        if wrap:
            flags |= int(Qt.TextFlag.TextWordWrap)
        self.painter.drawText(area, flags, text)

    def paragraph(self, text: str, kind: Type = QUIET, *, left: float = MARGIN, width: float = INNER) -> None:
        """Text over as many lines as it needs; the cursor goes below it."""
        metrics = QFontMetricsF(kind.font)
        box = metrics.boundingRect(QRectF(0, 0, width, 10_000), int(Qt.TextFlag.TextWordWrap), text)
        self.text(QRectF(left, self.y, width, box.height() + 2), text, kind, wrap=True)
        self.y += box.height() + 4

    def tag(self, at: QPointF, text: str, colour: QColor) -> float:
        """A word in a rounded frame of its class's colour; the width it takes."""
        kind = Type(size=12, bold=True)
        width = QFontMetricsF(kind.font).horizontalAdvance(text) + 18
        frame = QRectF(at.x(), at.y(), width, kind.line + 5)
        self.painter.setPen(QPen(colour, 1.6))
        self.painter.setBrush(Qt.BrushStyle.NoBrush)
        self.painter.drawRoundedRect(frame, frame.height() / 2, frame.height() / 2)
        self.text(frame.adjusted(9, 2, 0, 0), text, kind)
        return width

    def words(self, at: QPointF, text: str, kind: Type) -> float:
        """One line of text; the width it takes."""
        width = QFontMetricsF(kind.font).horizontalAdvance(text)
        self.text(QRectF(at.x(), at.y(), width + 2, kind.line + 2), text, kind)
        return width

    def bar(self, area: QRectF, start: float, end: float, low: float, high: float) -> None:
        """A bar from ``start`` to ``end`` on an axis from ``low`` to ``high``, with a mark at zero."""
        scale = area.width() / ((high - low) or 1.0)
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(RAISED)
        self.painter.drawRoundedRect(area, 2, 2)
        left, right = min(start, end), max(start, end)
        where = QRectF(
            area.left() + (left - low) * scale, area.top(), max((right - left) * scale, 1), area.height()
        )
        self.painter.setBrush(UP if end >= start else DOWN)
        self.painter.drawRoundedRect(where, 2, 2)
        zero = area.left() - low * scale
        self.painter.setPen(QPen(FAINT, 1))
        self.painter.drawLine(QPointF(zero, area.top() - 1), QPointF(zero, area.bottom() + 1))

    def rule(self) -> None:
        self.painter.setPen(QPen(LINE, 1))
        self.painter.drawLine(QPointF(MARGIN, self.y), QPointF(WIDTH - MARGIN, self.y))
