"""A probability that a reader gives. Nothing stands on the scale before it is touched: a handle in the middle
would suggest a value."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.qt.translation import tr

_HANDLE = 7.0
"""Radius in logical pixels."""
_NUMBER = 84
"""Room right of the scale for the percentage, or for the words that none is given."""
_STEP = 5
_DIGITS = tuple("0123456789")
_Key = Qt.Key
_MOVES = {_Key.Key_Left: -_STEP, _Key.Key_Down: -_STEP, _Key.Key_Right: _STEP, _Key.Key_Up: _STEP}


class ChanceField(QWidget):
    """A scale from 0 to 100%. Clicks and drags set it; arrows move it by 5, digits set tens, Backspace clears."""

    changed = Signal(object)
    """The probability in [0, 1], or None where it was taken back."""
    left = Signal()
    """Enter: the user is done here."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._percent: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(120 + _NUMBER)
        self.setAccessibleName(name)
        self.setToolTip(tr("Click or drag; keys: 0 to 9 set tens, arrows move by 5, Backspace clears"))
        self.set_value(None)

    @property
    def value(self) -> float | None:
        """The probability in [0, 1]; None before it was touched."""
        return None if self._percent is None else self._percent / 100

    @property
    def text(self) -> str:
        return tr("not given") if self._percent is None else f"{self._percent}%"

    def set_value(self, value: float | None) -> None:
        """Show it without emitting ``changed``."""
        self._percent = None if value is None else round(100 * value)
        self.setAccessibleDescription(self.text)
        self.update()

    def handle(self) -> QPointF | None:
        """Return the place of the handle; None if no value is given, since then there is no handle."""
        if self._percent is None:
            return None
        scale = self._scale()
        return QPointF(scale.left() + scale.width() * self._percent / 100, scale.center().y())

    def place_of(self, percent: int) -> QPointF:
        """The point to click for this percentage."""
        scale = self._scale()
        return QPointF(scale.left() + scale.width() * percent / 100, scale.center().y())

    def sizeHint(self) -> QSize:
        return QSize(320, 28)

    def minimumSizeHint(self) -> QSize:
        return QSize(120 + _NUMBER, 28)

    def _scale(self) -> QRectF:
        return QRectF(_HANDLE + 2, self.height() / 2 - 2, self.width() - _NUMBER - 2 * _HANDLE - 4, 4)

    def _give(self, percent: int | None) -> None:
        if percent is not None:
            percent = min(max(percent, 0), 100)
        if percent != self._percent:
            self.set_value(None if percent is None else percent / 100)
            self.changed.emit(self.value)

    def _give_at(self, x: float) -> None:
        scale = self._scale()
        self._give(round(100 * (x - scale.left()) / max(scale.width(), 1)))

    # Qt

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._give_at(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._give_at(event.position().x())

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._means(event):
            event.accept()
            return True
        return super().event(event)

    def _means(self, event: QKeyEvent) -> bool:
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        # on a French keyboard a digit is typed with Shift
        if held and not (held == Qt.KeyboardModifier.ShiftModifier and event.text().isdigit()):
            return False
        own = (*_MOVES, _Key.Key_Backspace, _Key.Key_Delete, _Key.Key_Return, _Key.Key_Enter)
        return event.key() in own or event.text() in _DIGITS

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = _Key(event.key())
        if not self._means(event):
            super().keyPressEvent(event)
        elif key in (_Key.Key_Return, _Key.Key_Enter):
            self.left.emit()
        elif key in (_Key.Key_Backspace, _Key.Key_Delete):
            self._give(None)
        elif key in _MOVES:
            # the first step enters at an end of the scale, so that no middle is suggested
            start = 0 if _MOVES[key] > 0 else 100
            self._give(start if self._percent is None else self._percent + _MOVES[key])
        else:
            self._give(10 * int(event.text()))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette, scale, handle = self.palette(), self._scale(), self.handle()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Mid))
        painter.drawRoundedRect(scale, 2, 2)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.PlaceholderText), 1))
        for tenth in range(0, 101, 25):
            x = scale.left() + scale.width() * tenth / 100
            painter.drawLine(QPointF(x, scale.bottom() + 3), QPointF(x, scale.bottom() + 6))
        if handle is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.Highlight))
            painter.drawRoundedRect(QRectF(scale.topLeft(), QPointF(handle.x(), scale.bottom())), 2, 2)
            painter.drawEllipse(handle, _HANDLE, _HANDLE)
        role = QPalette.ColorRole.PlaceholderText if handle is None else QPalette.ColorRole.Text
        painter.setPen(palette.color(role))
        number = QRectF(self.width() - _NUMBER, 0, _NUMBER, self.height())
        painter.drawText(number, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, self.text)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(palette.color(QPalette.ColorRole.Highlight))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
        painter.end()
