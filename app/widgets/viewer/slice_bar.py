"""The bar beside a tomosynthesis: which slice of how many is shown, and a slider to another."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QSlider, QVBoxLayout, QWidget

from app.qt.colours import SURROUND
from app.qt.translation import tr
from app.widgets.label import Label

WIDTH = 44
_SHARE = 0.5
"""Share of the view's height."""


class SliceBar(QWidget):
    """A child of the view, in the middle of its outer edge; hidden where there is one slice alone."""

    moved = Signal(object)
    """The slice, from 0, that the user chose with the slider."""

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._view = view
        self.frame, self.count = 0, 1
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.text = Label("")
        self.text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.slider = QSlider(Qt.Orientation.Vertical)
        # the first slice is at the top, and the wheel turned towards the user goes down the stack
        self.slider.setInvertedAppearance(True)
        self.slider.setInvertedControls(True)
        self.slider.setAccessibleName(tr("Slice"))
        self.slider.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.slider.valueChanged.connect(self._choose)
        column = QVBoxLayout(self)
        column.setContentsMargins(2, 4, 2, 4)
        column.addWidget(self.text)
        column.addWidget(self.slider, 1, Qt.AlignmentFlag.AlignHCenter)
        # legible over bright tissue too
        palette, plate = self.palette(), QColor(SURROUND)
        plate.setAlpha(150)
        palette.setColor(QPalette.ColorRole.Window, plate)
        self.setPalette(palette)
        self.setAutoFillBackground(True)
        self.hide()

    def show_slice(self, frame: int, count: int) -> None:
        self.frame, self.count = frame, count
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, count - 1)
            self.slider.setPageStep(max(count // 10, 1))
            self.slider.setValue(frame)
        self.text.setText(f"{frame + 1}/{count}")
        self.setToolTip(tr("Slice {n} of {all}", n=frame + 1, all=count))
        self.setVisible(count > 1)
        self.place()

    def place(self) -> None:
        """Place the bar for the view's current size."""
        height = round(self._view.height() * _SHARE)
        self.setGeometry(6, (self._view.height() - height) // 2, WIDTH, height)

    def _choose(self, frame: int) -> None:
        self.frame = frame
        self.text.setText(f"{frame + 1}/{self.count}")
        self.moved.emit(frame)
