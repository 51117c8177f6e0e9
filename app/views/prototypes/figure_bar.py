"""A figure of the model, large, with its change by a pruning and the interval of that change as a bar."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt.theme import faint
from app.qt.translation import tr
from app.widgets.explain.numbers import MISSING, optional, signed
from core.statistics.estimate import Comparison

HEIGHT = 58
LEAST_SCALE = 0.02
"""Half of the bar's width, in units of the figure, where all changes are smaller."""
_LINE = 22


class FigureBar(QWidget):
    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self.now: float | None = None
        self.after: float | None = None
        self.comparison: Comparison | None = None
        self.scale = LEAST_SCALE
        """The bar goes from minus to plus this change."""
        self.changes = False
        """Flag: prototypes are to be pruned, so that there is a change to show."""
        self.setFixedHeight(HEIGHT)
        self.setMinimumWidth(220)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_figure(
        self, now: float | None, after: float | None, comparison: Comparison | None, *, changes: bool
    ) -> None:
        """``comparison``: of after with now; None while its interval is being worked out."""
        self.now, self.after, self.comparison, self.changes = now, after, comparison, changes
        self.setAccessibleName(f"{self.name}: {optional(now, 3)} {self.change_text}".strip())
        self.setToolTip("" if comparison is None else comparison.difference.method)
        self.update()

    def set_scale(self, scale: float) -> None:
        """The same for all bars that stand below each other."""
        self.scale = max(scale, LEAST_SCALE)
        self.update()

    @property
    def change(self) -> float | None:
        if not self.changes or self.now is None or self.after is None:
            return None
        return self.after - self.now

    @property
    def reach(self) -> float:
        """The largest of the change and the ends of its interval, whatever its sign."""
        interval = None if self.comparison is None else self.comparison.difference
        ends = (None, None) if interval is None else (interval.low, interval.high)
        return max((abs(value) for value in (self.change, *ends) if value is not None), default=0.0)

    @property
    def change_text(self) -> str:
        """Such as "+0.001 (−0.006 to 0.008)"; empty where nothing is to be pruned."""
        if not self.changes:
            return ""
        if self.change is None:
            return MISSING
        if self.comparison is None:
            return signed(self.change, 3)
        low, high = self.comparison.difference.low, self.comparison.difference.high
        if low is None or high is None:
            return f"{signed(self.change, 3)} ({tr('interval undefined')})"
        return tr(
            "{change} ({low} to {high})",
            change=signed(self.change, 3),
            low=signed(low, 3),
            high=signed(high, 3),
        )

    def sizeHint(self) -> QSize:
        return QSize(320, HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, palette = QPainter(self), self.palette()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        top = QRectF(0, 2, self.width(), _LINE)
        painter.setPen(faint(palette))
        painter.drawText(top, Qt.AlignmentFlag.AlignVCenter, self.name)
        font = painter.font()
        painter.save()
        font.setPointSizeF(font.pointSizeF() * 1.4)
        font.setWeight(font.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        shown = self.after if self.changes else self.now
        painter.drawText(top, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, optional(shown, 3))
        painter.restore()
        self._draw_bar(painter)

    def _draw_bar(self, painter: QPainter) -> None:
        palette = self.palette()
        words = painter.fontMetrics().horizontalAdvance("+0.000 (−0.000 to +0.000)") + 10
        bar = QRectF(4, _LINE + 6, max(self.width() - words - 8, 60), _LINE)
        text = QRectF(bar.right() + 8, bar.top(), self.width() - bar.right() - 8, _LINE)
        painter.setPen(palette.color(QPalette.ColorRole.Text))
        painter.drawText(text, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self.change_text)
        middle = bar.center()
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 2))
        painter.drawLine(QPointF(bar.left(), middle.y()), QPointF(bar.right(), middle.y()))
        painter.setPen(QPen(faint(palette), 1))
        painter.drawLine(QPointF(middle.x(), middle.y() - 8), QPointF(middle.x(), middle.y() + 8))
        if self.change is None:
            return

        def place(value: float) -> float:
            share = min(max(value / self.scale, -1.0), 1.0)
            return middle.x() + share * bar.width() / 2

        accent = palette.color(QPalette.ColorRole.Highlight)
        if self.comparison is not None:
            low, high = self.comparison.difference.low, self.comparison.difference.high
            if low is not None and high is not None:
                painter.setPen(QPen(accent, 3))
                painter.drawLine(QPointF(place(low), middle.y()), QPointF(place(high), middle.y()))
                for end in (low, high):
                    painter.drawLine(QPointF(place(end), middle.y() - 5), QPointF(place(end), middle.y() + 5))
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Window), 2))
        painter.setBrush(accent)
        painter.drawEllipse(QPointF(place(self.change), middle.y()), 6, 6)
