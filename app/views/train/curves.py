"""Losses and validation figures as curves, of the run that is trained now or of several beside each other."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.qt.translation import tr
from app.views.train.history import Point
from core.explain.report import CLASS_COLOURS

_LOSSES = ("loss", "cross_entropy", "cluster", "separation", "fine", "cells", "background")
_PRECISIONS = ("validation_lesion_precision", "validation_fine_precision")


class Curves(QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.loss, self.auroc, self.precision = (pg.PlotWidget() for _ in range(3))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        titles = (tr("Loss"), tr("Validation AUROC"), tr("Activation precision"))
        for plot, title in zip((self.loss, self.auroc, self.precision), titles, strict=True):
            plot.setTitle(title, size="10pt")
            plot.setMouseEnabled(x=False, y=False)
            plot.hideButtons()
            plot.setMenuEnabled(False)
            plot.setMinimumSize(160, 150)
            plot.setLabel("bottom", tr("epochs of all stages"))
            plot.getAxis("bottom").enableAutoSIPrefix(False)
            plot.addLegend(offset=(-4, 4), labelTextSize="8pt")
            layout.addWidget(plot)
        self._paint()

    def show_runs(self, histories: Mapping[str, Sequence[Point]]) -> None:
        """By run; of one run every loss term is drawn, of several the sum alone."""
        single = len(histories) == 1
        for plot in (self.loss, self.auroc, self.precision):
            plot.clear()
        for place, (name, points) in enumerate(histories.items()):
            colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
            terms = _LOSSES if single else _LOSSES[:1]
            for index, term in enumerate(terms):
                own = CLASS_COLOURS[index % len(CLASS_COLOURS)] if single else colour
                _draw(self.loss, points, term, own, term.replace("_", " ") if single else name)
            _draw(self.auroc, points, "validation_auroc", colour, "" if single else name)
            for key, style in zip(_PRECISIONS, (1, 2), strict=True):
                scale = tr("in the lesion") if key == _PRECISIONS[0] else tr("in the margin")
                _draw(self.precision, points, key, colour, scale if single else "", style=style)

    def shown(self, plot: pg.PlotWidget) -> list[int]:
        """How many points each curve of a plot has."""
        return [len(item.getData()[0]) for item in plot.listDataItems()]

    def changeEvent(self, event: object) -> None:
        super().changeEvent(event)  # type: ignore[arg-type]
        if hasattr(self, "loss"):
            self._paint()

    def _paint(self) -> None:
        palette, role = self.palette(), QPalette.ColorRole
        for plot in (self.loss, self.auroc, self.precision):
            plot.setBackground(palette.color(role.AlternateBase))
            for side in ("left", "bottom"):
                axis = plot.getAxis(side)
                axis.setPen(palette.color(role.Mid))
                axis.setTextPen(palette.color(role.PlaceholderText))


def _draw(
    plot: pg.PlotWidget, points: Sequence[Point], key: str, colour: str, name: str, *, style: int = 1
) -> None:
    values = [(x, value) for x, point in enumerate(points) if (value := point.values.get(key)) is not None]
    if not values:
        return
    pen = pg.mkPen(colour, width=2, style=pg.QtCore.Qt.PenStyle(style))
    # the legend takes names for markup
    more: dict[str, Any] = {"name": html.escape(name)} if name else {}
    if len(values) == 1:  # no line goes through one point
        more |= {"symbol": "o", "symbolPen": pen, "symbolSize": 5}
    plot.plot([x for x, _ in values], [y for _, y in values], pen=pen, **more)
