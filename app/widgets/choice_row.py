"""A group of words of which one is chosen, by mouse or by one key each. The only choice widget of the program:
labels, readings, reader studies and verdicts use it, so that a choice looks the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QFont, QKeyEvent, QPainter, QPaintEvent, QPalette
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

_KEY_ROOM = 10
"""Logical pixels left of the word, for its key."""
_Key = Qt.Key
_MOVES = {_Key.Key_Left: -1, _Key.Key_Up: -1, _Key.Key_Right: 1, _Key.Key_Down: 1}
_ENDS = (_Key.Key_Return, _Key.Key_Enter)
_DIGITS = tuple("0123456789")
_CLEARS = (_Key.Key_Backspace, _Key.Key_Delete)


@dataclass(frozen=True, kw_only=True)
class Choice:
    value: str
    text: str
    key: str
    """The one key that chooses it while the group has the focus, in lower case."""
    tip: str = ""


class Chip(QToolButton):
    """One word of a group. It is filled with the accent colour while it is chosen, and never otherwise."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.choice = choice
        self._shows_key = True
        self.setText(choice.text)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        # a word that is its own key (a BI-RADS category) needs no second print
        self._has_key = bool(choice.key) and choice.key.upper() != choice.text

    @property
    def shows_key(self) -> bool:
        return self._shows_key and self._has_key

    def show_key(self, on: bool) -> None:
        self._shows_key = on
        self.update()

    def sizeHint(self) -> QSize:
        hint = super().sizeHint()
        return QSize(hint.width() + (_KEY_ROOM if self._has_key else 0), hint.height())

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.shows_key:
            return
        painter = QPainter(self)
        font = QFont(self.font())
        font.setPixelSize(max(9, self.fontMetrics().height() * 5 // 8))
        painter.setFont(font)
        role = QPalette.ColorRole.HighlightedText if self.isChecked() else QPalette.ColorRole.PlaceholderText
        painter.setPen(self.palette().color(role))
        area = QRect(5, 2, _KEY_ROOM, self.height() - 4)
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, self.choice.key.upper())
        painter.end()


class ChoiceRow(QWidget):
    """Chosen by click, by key, or with the arrows; a second click, Backspace or Delete takes the choice back.

    ``titled``: whether the name stands over the words, with room for a note. ``keys_always``: whether the keys
    are printed on the words at all times; else while the group has the focus, where alone they act.
    """

    chosen = Signal(object)
    """The value, or None where the choice was taken back."""
    left = Signal()
    """The user is done with this group and goes on to the next."""
    entered = Signal()
    """Enter was pressed here; ``left`` follows."""

    def __init__(
        self,
        name: str,
        choices: Sequence[Choice],
        *,
        columns: int,
        titled: bool = True,
        keys_always: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName("choice")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)
        self._choices = tuple(choices)
        self._keys_always = keys_always
        self._group = QButtonGroup(self)
        self._group.setExclusive(False)
        self._value: str | None = None
        self.note = Label()
        """A faint remark beside the name, such as the data set's own word."""
        self.note.setObjectName("faint")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 3, 6, 5)
        layout.setSpacing(3)
        if titled:
            head = QHBoxLayout()
            head.addWidget(Label(name))
            head.addStretch()
            head.addWidget(self.note)
            layout.addLayout(head)
        grid = QGridLayout()
        grid.setSpacing(4)
        for place, choice in enumerate(choices):
            grid.addWidget(self._chip(place, choice, name), place // columns, place % columns)
        for column in range(columns):
            grid.setColumnStretch(column, 1)
        layout.addLayout(grid)
        self._show_keys()

    @property
    def value(self) -> str | None:
        return self._value

    @property
    def chips(self) -> dict[str, Chip]:
        """The buttons by value, in the order shown."""
        return {button.choice.value: button for button in self._group.buttons() if isinstance(button, Chip)}

    def set_value(self, value: str | None) -> None:
        """Show this value (None for no choice) without emitting ``chosen``."""
        self._value = value
        for known, chip in self.chips.items():
            chip.setChecked(known == value)
        words = [choice.text for choice in self._choices if choice.value == value]
        self.setAccessibleDescription(words[0] if words else "")

    def set_note(self, text: str) -> None:
        self.note.setText(text)

    def choose(self, value: str) -> None:
        """Choose a value with the effect of a click on it: the chosen one is cleared."""
        self._say(None if value == self._value else value)

    def choose_by_key(self, key: str) -> bool:
        """Choose the word whose key this is, wherever the focus is; False where there is none."""
        values = [choice.value for choice in self._choices if choice.key and choice.key == key.lower()]
        if values:
            self._say(values[0])
        return bool(values)

    def _chip(self, place: int, choice: Choice, name: str) -> Chip:
        chip = Chip(choice)
        key = f" ({choice.key.upper()})" if choice.key else ""
        chip.setToolTip(f"{choice.tip or choice.text}{key}")
        chip.setAccessibleName(f"{name}: {choice.text}")
        # a click toggles the button by itself: what is shown follows the value instead
        chip.clicked.connect(lambda _checked=False: self.choose(choice.value))
        self._group.addButton(chip, place)
        return chip

    def _say(self, value: str | None) -> None:
        self.set_value(value)
        self.chosen.emit(value)

    def _show_keys(self) -> None:
        for chip in self.chips.values():
            chip.show_key(self._keys_always or self.hasFocus())

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
        key = _Key(event.key())
        if key in _ENDS:
            self.entered.emit()
            self.left.emit()
        elif key in _CLEARS:
            self._say(None)
        elif key in _MOVES:
            self._move(_MOVES[key])
        elif self._has_key(event.text()):
            self.choose_by_key(event.text())
            self.left.emit()

    def _means(self, event: QKeyEvent) -> bool:
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        # on a French keyboard a digit is typed with Shift
        if held and not (held == Qt.KeyboardModifier.ShiftModifier and event.text().isdigit()):
            return False
        # a digit that no choice has does nothing: it would choose a tool, which the reader does not mean here
        own = event.key() in (*_ENDS, *_CLEARS, *_MOVES) or event.text() in _DIGITS
        return own or self._has_key(event.text())

    def _has_key(self, text: str) -> bool:
        return any(choice.key and choice.key == text.lower() for choice in self._choices)

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
        self._show_keys()
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._show_keys()
        self.update()
