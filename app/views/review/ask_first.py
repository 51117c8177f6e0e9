"""Asks for the reader's own call before the model's answer is shown, so that the model cannot lead it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.chance_field import ChanceField
from app.widgets.choice_row import Choice, ChoiceRow
from app.widgets.label import Label


class AskFirst(QWidget):
    called = Signal(str, object)
    """The chosen word, and the probability of malignancy in [0, 1] or None."""
    skipped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = Label(tr("What do you say?"))
        title.setObjectName("title")
        note = Label(tr("Your own reading comes first and is kept; then you see what the model says, and why."))
        note.setObjectName("faint")
        note.setWordWrap(True)
        self.words: ChoiceRow | None = None
        self._words = QVBoxLayout()
        self.probability = ChanceField(tr("Probability of malignancy"))
        self.done = QPushButton(tr("Keep and show the model"))
        self.skip = QPushButton(tr("Show without my reading"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(28, 20, 28, 20)
        layout.setSpacing(12)
        layout.addStretch(1)
        for widget in (title, note):
            layout.addWidget(widget)
        layout.addLayout(self._words)
        line = QHBoxLayout()
        line.setContentsMargins(6, 0, 6, 0)
        line.addWidget(Label(tr("Probability of malignancy")))
        line.addWidget(self.probability, 1)
        layout.addLayout(line)
        buttons = QHBoxLayout()
        buttons.addWidget(self.done)
        buttons.addWidget(self.skip)
        buttons.addStretch()
        layout.addLayout(buttons)
        layout.addStretch(2)
        self.probability.left.connect(self._call)
        self.done.clicked.connect(self._call)
        self.skip.clicked.connect(self.skipped)

    def ask(self, label: str, words: Sequence[str]) -> None:
        """Ask for the next lesion. ``label``: margin or shape; ``words``: the values, in the order shown."""
        name = tr("The margin is") if label == "margin" else tr("The shape is")
        if self.words is None or tuple(self.words.chips) != tuple(words):
            self._make_words(name, words)
        assert self.words is not None
        self.words.set_value(None)
        self.probability.set_value(None)
        self.done.setEnabled(False)

    def _make_words(self, name: str, words: Sequence[str]) -> None:
        if self.words is not None:
            self._words.removeWidget(self.words)
            self.words.hide()  # it is deleted later, and must not stand in the middle of the page until then
            self.words.deleteLater()
        choices = [Choice(value=word, text=tr(word), key=str(digit)) for digit, word in enumerate(words, start=1)]
        self.words = ChoiceRow(name, choices, columns=len(choices), keys_always=True)
        self.words.chosen.connect(lambda value: self.done.setEnabled(value is not None))
        self._words.addWidget(self.words)

    def _call(self) -> None:
        if self.words is not None and self.words.value is not None:
            self.called.emit(self.words.value, self.probability.value)
