"""Above the picture: what new shapes mark, how wide the pen is, and which window of the file is shown."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygon, QResizeEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QMenu, QToolButton

from app.actions.actions import Actions
from app.qt.colours import OF_ROLE
from app.qt.translation import tr
from app.widgets.drawing.pen import Pen
from app.widgets.label import Label
from app.widgets.number import DecimalField
from app.widgets.viewer.picture import Display, Picture, voi_name
from core.domain.shapes import Length, Role

_SWATCH, _ROOM = 24, 8
_LEAST, _NARROW = 430, 720
"""Logical pixels: the least width of the strip, and that from which on the words of the layers fit."""


class PenStrip(QFrame):
    pen_edited = Signal(object)
    """The new ``Pen``."""
    voi_chosen = Signal(object)
    """A VOI choice of the picture."""

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        self.setObjectName("toolstrip")
        self._pen = Pen()
        self._picture: Picture | None = None
        self._roles: dict[QToolButton, str] = {}
        self._width = DecimalField()
        self._width.setAccessibleName(tr("Width of the pen"))
        self._width.setToolTip(tr("Width of the pen ([ and ], or Shift and the wheel)"))
        self._width.setKeyboardTracking(False)
        self._width.setFixedWidth(74)
        self._width.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._width.valueChanged.connect(self._widen)
        self._windows = QComboBox()
        self._hangings = QToolButton()
        self._windows.setAccessibleName(tr("Window"))
        self._windows.setToolTip(tr("Window of the file"))
        self._windows.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._windows.setMinimumContentsLength(7)
        self._windows.setMaximumWidth(240)
        self._windows.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._windows.activated.connect(self._choose_window)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.setSpacing(6)
        self._layer = Label(tr("Layer"))
        self._layer.setObjectName("faint")
        layout.addWidget(self._layer)
        prominent, margin = OF_ROLE[Role.PROMINENT], OF_ROLE[Role.MARGIN]
        for name, short, colours in (
            ("role.auto", tr("By tool"), (prominent, margin)),
            ("role.prominent", tr("Prominent"), (prominent, prominent)),
            ("role.margin", tr("Margin"), (margin, margin)),
        ):
            actions[name].setIcon(_swatch(*colours))
            actions[name].setIconText(short)
            button = QToolButton()
            button.setDefaultAction(actions[name])
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setIconSize(QSize(16, 12))
            self._roles[button] = short
            layout.addWidget(button)
        self._shorten(narrow=False)
        layout.addSpacing(4)
        label = Label(tr("Pen"))
        label.setObjectName("faint")
        layout.addWidget(label)
        layout.addWidget(self._width)
        layout.addStretch()
        layout.addWidget(self._windows, 4)
        self._hangings.setAccessibleName(tr("Hanging"))
        self._hangings.setToolTip(tr("Which pictures hang side by side"))
        self._hangings.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._hangings.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        layout.addWidget(self._hangings)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._shorten(narrow=self.width() < _NARROW)

    def minimumSizeHint(self) -> QSize:
        """With the layers as colours alone: the words come where there is room for them."""
        hint = super().minimumSizeHint()
        return QSize(min(hint.width(), _LEAST), hint.height())

    def _shorten(self, *, narrow: bool) -> None:
        """Shorten the roles to their colours where there is little room, with their names in tool tips."""
        self._layer.setVisible(not narrow)
        style = Qt.ToolButtonStyle
        for button, short in self._roles.items():
            button.setToolButtonStyle(style.ToolButtonIconOnly if narrow else style.ToolButtonTextBesideIcon)
            # its own size hint leaves out the padding of the style
            button.setMinimumWidth(0 if narrow else button.fontMetrics().horizontalAdvance(short) + 40)

    def set_hangings(self, menu: QMenu, symbol: QIcon) -> None:
        """The menu of the button at the end of the strip."""
        self._hangings.setMenu(menu)
        self._hangings.setIcon(symbol)

    def show_pen(self, pen: Pen, *, eraser: bool) -> None:
        """``pen`` in the unit of the image."""
        self._pen, self._erases = pen, eraser
        width = pen.eraser if eraser else pen.width
        self._width.blockSignals(True)
        self._width.setDecimals(1 if width.unit == "mm" else 0)
        self._width.setRange(*((0.1, 40.0) if width.unit == "mm" else (1.0, 400.0)))
        self._width.setSingleStep(0.2 if width.unit == "mm" else 2)
        self._width.setSuffix(f" {width.unit}")
        self._width.setValue(width.value)
        self._width.blockSignals(False)

    def show_windows(self, picture: Picture | None, display: Display | None) -> None:
        """The choices of the file, and the reader's own window where a drag left them."""
        voi = None if display is None else display.voi
        if picture is not self._picture:
            self._picture = picture
            self._windows.clear()
            for choice in () if picture is None else picture.choices:
                self._windows.addItem(voi_name(choice))
            self._windows.setEnabled(picture is not None)
        place = next((i for i, choice in enumerate(picture.choices) if choice is voi), -1) if picture else -1
        self._windows.setCurrentIndex(place)
        self._windows.setPlaceholderText("" if voi is None else voi_name(voi))

    def _widen(self, value: float) -> None:
        width = Length(value=value, unit=(self._pen.eraser if self._erases else self._pen.width).unit)
        self.pen_edited.emit(replace(self._pen, eraser=width) if self._erases else replace(self._pen, width=width))

    def _choose_window(self, place: int) -> None:
        if self._picture is not None:
            self.voi_chosen.emit(self._picture.choices[place])

    _erases = False


def _swatch(left: QColor, right: QColor) -> QIcon:
    """A square of one colour, or halved between two, with some room to its right, where the word follows."""
    picture = QPixmap(_SWATCH + _ROOM, _SWATCH)
    picture.fill(QColor(0, 0, 0, 0))
    painter = QPainter(picture)
    painter.fillRect(0, 0, _SWATCH, _SWATCH, left)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(right)
    painter.drawPolygon(QPolygon([QPoint(_SWATCH, 0), QPoint(_SWATCH, _SWATCH), QPoint(0, _SWATCH)]))
    painter.end()
    return QIcon(picture)
