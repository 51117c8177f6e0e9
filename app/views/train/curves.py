"""Losses and validation figures as curves, of the run that is trained now or of several beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QLocale, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.qt.contrast import readable
from app.qt.translation import tr
from app.views.train.history import Point, phases, projections
from app.views.train.stage_names import LOSSES, loss_name, stage_mark
from app.widgets.label import Elided
from core.explain.report import CLASS_COLOURS

_AUROC = ("validation_auroc",)
_PRECISIONS = ("validation_lesion_precision", "validation_fine_precision")
_BESIDE = [(1.0, 0.0), (1.0, 0.0)]
"""Which corner of a stage's word lies on its line."""
_AXIS = 52
"""Height of a plot that its horizontal axis and its edges take, in pixels."""
_EDGE = 8
"""Pixels around a plot, so that the last number of an axis is whole."""
_SAMPLE, _GAP, _LINE = 18, 5, 18
"""Widths of a line in the legend and of the gap after it, and the height of a row, in pixels."""


class Curves(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss = Chart(tr("Loss"))
        self.auroc = Chart(tr("Validation AUROC"))
        self.precision = Chart(tr("Activation precision"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        for chart, share in zip(self.charts, (5, 4, 4), strict=True):
            layout.addWidget(chart, share)

    @property
    def charts(self) -> tuple[Chart, Chart, Chart]:
        return self.loss, self.auroc, self.precision

    def show_runs(self, histories: Mapping[str, Sequence[Point]]) -> None:
        """By run; of one run every loss term is drawn, of several the sum alone. A run without figures yet has
        empty axes under its name."""
        self._shown = dict(histories)
        single = len(histories) == 1
        names = ", ".join(histories)
        for chart in self.charts:
            chart.begin(names, empty=not any(histories.values()))
        for place, (name, points) in enumerate(histories.items()):
            own = CLASS_COLOURS[place % len(CLASS_COLOURS)]
            if single:
                for index, term in enumerate(LOSSES):
                    colour = CLASS_COLOURS[index % len(CLASS_COLOURS)]
                    self.loss.draw(points, term, colour, loss_name(term))
            else:
                self.loss.draw(points, LOSSES[0], own, name)
            self.auroc.draw(points, _AUROC[0], own, name)
            for key, dashed in zip(_PRECISIONS, (False, True), strict=True):
                where = tr("in the margin") if dashed else tr("in the lesion")
                self.precision.draw(points, key, own, where if single else f"{name}, {where}", dashed=dashed)
            if single:
                for chart in self.charts:
                    chart.mark(points)
        for chart in self.charts:
            chart.finish()
        self._align()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._align()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_shown"):
            self.show_runs(self._shown)

    def _align(self) -> None:
        """Legends of one height, so that the three plots stand on one line."""
        height = max(chart.legend.heightForWidth(chart.width()) for chart in self.charts)
        for chart in self.charts:
            chart.legend.setFixedHeight(height)
            chart.leave_room()


class Chart(QWidget):
    """One plot with its title and run above it and its legend below: nothing lies on the curves."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self.heading, self.legend, self.plot = Elided(), Legend(), pg.PlotWidget(axisItems=_axes())
        self.heading.setObjectName("heading")
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self.plot.setMenuEnabled(False)
        self.plot.setMinimumSize(160, 110)
        self.plot.getPlotItem().setContentsMargins(0, _EDGE, _EDGE, 0)
        self.plot.setAccessibleName(title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.heading)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.legend)
        self._entries: list[tuple[str, str, bool]] = []
        self._words: list[str] = []
        """Words of the stages that are marked."""
        self._paint()

    @property
    def lengths(self) -> list[int]:
        """Return the number of points of each curve."""
        return [len(item.getData()[0]) for item in self.plot.listDataItems()]

    def begin(self, names: str, *, empty: bool) -> None:
        self.plot.clear()
        self._entries, self._words = [], []
        waits = tr("no figures yet") if empty and names else ""
        self.heading.say(" · ".join(part for part in (self.title, names, waits) if part))

    def draw(self, points: Sequence[Point], key: str, colour: str, name: str, *, dashed: bool = False) -> None:
        values = [(x, value) for x, point in enumerate(points) if (value := point.values.get(key)) is not None]
        if not values:
            return
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        # the colours of classes are too light for lines on a light ground
        colour = readable(QColor(colour), self.palette()).name()
        pen = pg.mkPen(colour, width=2, style=style)
        # no line goes through one point
        symbol = {"symbol": "o", "symbolPen": pen, "symbolSize": 5} if len(values) == 1 else {}
        self.plot.plot([x for x, _ in values], [y for _, y in values], pen=pen, **symbol)
        self._entries.append((name, colour, dashed))

    def mark(self, points: Sequence[Point]) -> None:
        """A line with a word where a stage begins within what is drawn; a dotted one where prototypes were
        projected."""
        first = min((item.getData()[0][0] for item in self.plot.listDataItems()), default=0)
        palette = self.palette()
        line, faint = palette.color(QPalette.ColorRole.Mid), palette.color(QPalette.ColorRole.PlaceholderText)
        for at in projections(points):
            pen = pg.mkPen(line, width=1, style=Qt.PenStyle.DotLine)
            self.plot.addItem(pg.InfiniteLine(at, angle=90, pen=pen), ignoreBounds=True)
        pen = pg.mkPen(faint, width=1, style=Qt.PenStyle.DashLine)
        for mark in phases(points)[1:]:
            if mark.at - 0.5 < first:
                continue
            begin = pg.InfiniteLine(mark.at - 0.5, angle=90, pen=pen)
            self.plot.addItem(begin, ignoreBounds=True)
            # along the line: two stages may begin close to each other
            word = stage_mark(mark.stage)
            self._words.append(word)
            pg.InfLineLabel(begin, word, position=0.98, color=faint, rotateAxis=(1, 0), anchors=_BESIDE)

    def finish(self) -> None:
        """Axes as wide as the curves, with room for the words of stages; from 0 to 1 where there are none."""
        self.legend.show_entries(self._entries)
        if self.plot.listDataItems():
            self.plot.enableAutoRange()
            self.leave_room()
        else:
            self.plot.setRange(xRange=(0, 10), yRange=(0, 1), disableAutoRange=True)

    def leave_room(self) -> None:
        """Leave room above the curves for the words of the stages, as long as they are."""
        drawn = [item.getData()[1] for item in self.plot.listDataItems()]
        if not drawn or not self._words:
            return
        low, high = min(map(min, drawn)), max(map(max, drawn))
        metrics = QFontMetrics(self.plot.font())
        need = max(map(metrics.horizontalAdvance, self._words)) + 4 * _EDGE
        share = min(need / max(self.plot.height() - _AXIS, 1), 0.6)
        self.plot.setYRange(low, high + (high - low) * share / (1 - share))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.leave_room()

    def changeEvent(self, event: object) -> None:
        super().changeEvent(event)  # type: ignore[arg-type]
        if hasattr(self, "_entries"):
            self._paint()

    def _paint(self) -> None:
        palette, role = self.palette(), QPalette.ColorRole
        self.plot.setBackground(palette.color(role.AlternateBase))
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(palette.color(role.Mid))
            axis.setTextPen(palette.color(role.PlaceholderText))


class Legend(QWidget):
    """Samples of the lines with their names, in as many rows as the width needs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entries: list[tuple[str, str, bool]] = []
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_entries(self, entries: Sequence[tuple[str, str, bool]]) -> None:
        """Name, colour and whether the line is dashed."""
        if self.entries == list(entries):
            return
        self.entries = list(entries)
        self.setAccessibleName(", ".join(name for name, _, _ in entries))
        self.updateGeometry()
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return max(1, len(self._rows(width))) * _LINE

    def sizeHint(self) -> QSize:
        return QSize(160, self.heightForWidth(max(self.width(), 160)))

    def _rows(self, width: int) -> list[list[tuple[str, str, bool]]]:
        metrics, used = QFontMetrics(self.font()), width + 1
        rows: list[list[tuple[str, str, bool]]] = []
        for entry in self.entries:
            wide = _SAMPLE + _GAP + metrics.horizontalAdvance(entry[0]) + 2 * _GAP
            if used + wide > width:
                rows.append([])
                used = 0
            rows[-1].append(entry)
            used += wide
        return rows

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, metrics = QPainter(self), QFontMetrics(self.font())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for row, entries in enumerate(self._rows(self.width())):
            x, middle = 0, row * _LINE + _LINE // 2
            for name, colour, dashed in entries:
                style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
                painter.setPen(QPen(QColor(colour), 2, style))
                painter.drawLine(x, middle, x + _SAMPLE, middle)
                painter.setPen(self.palette().color(QPalette.ColorRole.Text))
                x += _SAMPLE + _GAP
                wide = min(metrics.horizontalAdvance(name), self.width() - x)
                text = metrics.elidedText(name, Qt.TextElideMode.ElideRight, wide + 1)
                painter.drawText(x, middle + metrics.ascent() // 2 - 1, text)
                x += wide + 2 * _GAP


class _Axis(pg.AxisItem):  # type: ignore[misc]
    """Ticks with the decimal mark of the user's language."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        texts: list[str] = super().tickStrings(values, scale, spacing)
        return [text.replace(".", QLocale().decimalPoint()) for text in texts]


class _EpochAxis(_Axis):
    """Whole epochs only, also where there are few."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        levels: list[tuple[float, float]] = super().tickSpacing(low, high, size)
        return [(spacing, offset) for spacing, offset in levels if spacing >= 1] or [(1.0, 0.0)]


def _axes() -> dict[str, pg.AxisItem]:
    axes = {"left": _Axis("left"), "bottom": _EpochAxis("bottom")}
    for axis in axes.values():
        axis.enableAutoSIPrefix(False)
    axes["bottom"].setLabel(tr("epochs of all stages"))
    return axes
