"""Controls of the activation maps over the pictures: opacity, colours, scale, outlines."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSlider, QWidget

from app.qt import settings
from app.qt.translation import tr
from app.widgets.explain.heat import COLOUR_MAPS, HeatLook
from app.widgets.label import Label

_KEY = "explain/colours"


class HeatControls(QWidget):
    changed = Signal(object)
    """A ``HeatLook``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        kept = settings.text(_KEY, "magma")
        self.look = HeatLook(colours=next((c for c in COLOUR_MAPS if c == kept), "magma"))
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(round(100 * self.look.strength))
        self.opacity.setAccessibleName(tr("Opacity of the activation"))
        self.colours = QComboBox()
        self.colours.addItems([name if name != "jet" else tr("jet (as in the paper)") for name in COLOUR_MAPS])
        self.colours.setCurrentIndex(COLOUR_MAPS.index(self.look.colours))
        self.colours.setAccessibleName(tr("Colours of the activation"))
        self.common = _box(tr("Common scale"), self.look.common, tr("One scale for all maps of the case"))
        self.contour = _box(tr("Top 5%"), self.look.contour, tr("Outline of the most active 5%; else its box"))
        self.receptive = _box(
            tr("Receptive field"),
            self.look.receptive,
            tr("What the strongest cell can see at most, beside the box that is shown"),
        )
        self.annotation = _box(tr("Annotation"), self.look.annotation, tr("The fine annotation of the margin"))
        self.opacity.setMinimumWidth(60)
        self.opacity.setMaximumWidth(160)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(12)
        layout.addWidget(Label(tr("Map")))
        layout.addWidget(self.opacity, 1)
        layout.addWidget(self.colours)
        for box in (self.contour, self.annotation, self.common, self.receptive):
            layout.addWidget(box)
            box.toggled.connect(self._read)
        layout.addStretch()
        self.opacity.valueChanged.connect(self._read)
        self.colours.currentIndexChanged.connect(self._read)

    def _read(self) -> None:
        colours = COLOUR_MAPS[self.colours.currentIndex()]
        if colours != self.look.colours:
            settings.put(_KEY, colours)
        self.look = replace(
            self.look,
            colours=colours,
            strength=self.opacity.value() / 100,
            common=self.common.isChecked(),
            contour=self.contour.isChecked(),
            receptive=self.receptive.isChecked(),
            annotation=self.annotation.isChecked(),
        )
        self.changed.emit(self.look)


def _box(text: str, on: bool, tip: str) -> QCheckBox:
    box = QCheckBox(text)
    box.setChecked(on)
    box.setToolTip(tip)
    return box
