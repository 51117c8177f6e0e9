"""Asks for the reader's own call before the model's answer is shown, so that the model cannot lead it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.chance_field import ChanceField
from app.widgets.choice_row import Choice, ChoiceRow
from app.widgets.label import Label

_WIDEST = 940
"""Logical pixels: on a wide screen the words stay under the lesion."""


class AskFirst(QWidget):
    called = Signal(str, object)
    """The chosen word, and the probability of malignancy in [0, 1] or None."""
    skipped = Signal()
    refused = Signal(str)
    """Why nothing was kept, as a sentence."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = Label(tr("Your reading"))
        title.setObjectName("heading")
        note = Label(
            tr(
                "It comes first and is kept beside the labels: it changes none of them, "
                "and no training or test set."
            )
        )
        note.setObjectName("faint")
        note.setWordWrap(True)
        self.words: ChoiceRow | None = None
        self._words = QVBoxLayout()
        self.probability = ChanceField(tr("Probability of malignancy"))
        self.done = QPushButton(tr("Save and show the model (Enter)"))
        self.skip = QPushButton(tr("Show without my reading"))
        for button in (self.done, self.skip):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        form = QWidget()
        form.setMaximumWidth(_WIDEST)
        layout = QVBoxLayout(form)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addWidget(title)
        layout.addWidget(note)
        layout.addLayout(self._words)
        line = QHBoxLayout()
        line.setContentsMargins(6, 0, 6, 0)
        line.addWidget(Label(tr("Probability of malignancy")))
        line.addWidget(self.probability, 1)
        layout.addLayout(line)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(6, 0, 6, 0)
        buttons.addWidget(self.done)
        buttons.addWidget(self.skip)
        buttons.addStretch()
        layout.addLayout(buttons)
        layout.addStretch()
        outer = QHBoxLayout(self)
        outer.setContentsMargins(0, 6, 0, 0)
        outer.addWidget(form, 1)
        outer.addStretch()
        self.probability.left.connect(self.keep)
        self.done.clicked.connect(self.keep)
        self.skip.clicked.connect(self.skipped)

    def ask(self, label: str, words: Sequence[str]) -> None:
        """Ask for the next lesion, with nothing chosen. ``label``: margin or shape; ``words``: its values."""
        name = tr("The margin is") if label == "margin" else tr("The shape is")
        if self.words is None or tuple(self.words.chips) != tuple(words):
            self._make_words(name, words)
        assert self.words is not None
        self.words.set_value(None)
        self.probability.set_value(None)
        self.done.setEnabled(False)

    def choose(self, place: int) -> None:
        """The word with this digit, from 1; nothing where there is none."""
        if self.words is not None:
            self.words.choose_by_key(str(place))

    def keep(self) -> None:
        """Keep what is chosen; say what is missing where no word is."""
        if self.words is not None and self.words.value is not None:
            self.called.emit(self.words.value, self.probability.value)
        elif self.words is not None:
            last = len(self.words.chips)
            self.refused.emit(tr("Choose a word for it first, with the keys 1 to {last}.", last=last))

    def _make_words(self, name: str, words: Sequence[str]) -> None:
        if self.words is not None:
            self._words.removeWidget(self.words)
            self.words.hide()  # it is deleted later, and must not stand in the middle of the page until then
            self.words.deleteLater()
        choices = [Choice(value=word, text=tr(word), key=str(digit)) for digit, word in enumerate(words, start=1)]
        self.words = ChoiceRow(name, choices, columns=len(choices), keys_always=True)
        self.words.chosen.connect(lambda value: self.done.setEnabled(value is not None))
        self.words.entered.connect(self.keep)
        self._words.addWidget(self.words)
