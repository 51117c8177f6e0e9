"""A group of words of which one is chosen, by mouse or by one key each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.widgets.label import Label


@dataclass(frozen=True, kw_only=True)
class Choice:
    value: str
    text: str
    key: str
    """The one key that chooses it while the group has the focus."""


class ChoiceRow(QWidget):
    """Chosen by click, by key, or with the arrows; a second click, Backspace or Delete takes the choice back."""

    chosen = Signal(object)
    """The value, or None where the choice was taken back."""
    left = Signal()
    """The user is done with this group and goes on to the next."""

    def __init__(
        self, name: str, choices: Sequence[Choice], *, columns: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("choice")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self._choices = tuple(choices)
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        self._value: str | None = None
        self.note = Label()
        """What the data set says of it."""
        self.note.setObjectName("faint")
        title = Label(name)
        head = QHBoxLayout()
        head.addWidget(title)
        head.addStretch()
        head.addWidget(self.note)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 3, 6, 5)
        layout.setSpacing(3)
        layout.addLayout(head)
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, choice in enumerate(choices):
            grid.addWidget(self._button(place, choice, name), place // columns, place % columns)
        for column in range(columns):
            grid.setColumnStretch(column, 1)
        layout.addLayout(grid)

    @property
    def value(self) -> str | None:
        return self._value

    def set_value(self, value: str | None) -> None:
        """Show it, without telling anybody."""
        self._value = value
        for button, choice in zip(self._group.buttons(), self._choices, strict=True):
            button.setChecked(choice.value == value)
        words = [choice.text for choice in self._choices if choice.value == value]
        self.setAccessibleDescription(words[0] if words else "")

    def set_note(self, text: str) -> None:
        self.note.setText(text)

    def _button(self, place: int, choice: Choice, name: str) -> QToolButton:
        button = QToolButton()
        button.setText(choice.text)
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        button.setToolTip(f"{choice.text} ({choice.key.upper()})")
        button.setAccessibleName(f"{name}: {choice.text}")
        button.clicked.connect(lambda _checked=False: self._pick(place))
        self._group.addButton(button, place)
        return button

    def _pick(self, place: int) -> None:
        value = self._choices[place].value
        self._say(None if value == self._value else value)

    def _say(self, value: str | None) -> None:
        self.set_value(value)
        self.chosen.emit(value)

    # keys

    def event(self, event: QEvent) -> bool:
        # a key that means something here is no shortcut of the window while the focus is here
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._means(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._means(event):
            super().keyPressEvent(event)
            return
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left.emit()
        elif key in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete):
            self._say(None)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._move(-1 if key in (Qt.Key.Key_Left, Qt.Key.Key_Up) else 1)
        else:
            [value] = [choice.value for choice in self._choices if choice.key == event.text().lower()]
            self._say(value)
            self.left.emit()

    def _means(self, event: QKeyEvent) -> bool:
        if event.modifiers() & ~(Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier):
            return False
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            return False
        own = (
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
            Qt.Key.Key_Backspace,
            Qt.Key.Key_Delete,
            Qt.Key.Key_Left,
            Qt.Key.Key_Right,
            Qt.Key.Key_Up,
            Qt.Key.Key_Down,
        )
        return event.key() in own or any(choice.key == event.text().lower() for choice in self._choices)

    def _move(self, steps: int) -> None:
        values = [choice.value for choice in self._choices]
        if self._value is None:
            self._say(values[0 if steps > 0 else -1])
        else:
            self._say(values[(values.index(self._value) + steps) % len(values)])

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(self.palette().color(QPalette.ColorRole.Highlight))
            painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 4, 4)
            painter.end()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
