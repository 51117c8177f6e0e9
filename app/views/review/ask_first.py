"""The reader's own call, asked for before the model's is shown, so that the model cannot lead it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QHBoxLayout,
    QPushButton,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from app.qt.translation import tr
from app.widgets.label import Label


class AskFirst(QWidget):
    called = Signal(str, object)
    """The word, and the probability of malignancy in [0, 1] or None."""
    skipped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title = Label(tr("What do you say?"))
        title.setObjectName("title")
        note = Label(tr("Your own reading comes first and is kept; then you see what the model says, and why."))
        note.setObjectName("faint")
        note.setWordWrap(True)
        self.question = Label()
        self.words = QButtonGroup(self)
        self._words = QHBoxLayout()
        self.estimate = QCheckBox(tr("Probability of malignancy"))
        self.probability = QSlider(Qt.Orientation.Horizontal)
        self.probability.setRange(0, 100)
        self.probability.setValue(50)
        self.probability.setEnabled(False)
        self.probability.setAccessibleName(tr("Probability of malignancy"))
        self.percent = Label("")
        self.percent.setMinimumWidth(44)
        self.done = QPushButton(tr("Keep and show the model"))
        self.done.setEnabled(False)
        self.skip = QPushButton(tr("Show without my reading"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(28, 20, 28, 20)
        layout.setSpacing(12)
        layout.addStretch(1)
        for widget in (title, note, self.question):
            layout.addWidget(widget)
        layout.addLayout(self._words)
        line = QHBoxLayout()
        line.addWidget(self.estimate)
        line.addWidget(self.probability, 1)
        line.addWidget(self.percent)
        layout.addLayout(line)
        buttons = QHBoxLayout()
        buttons.addWidget(self.done)
        buttons.addWidget(self.skip)
        buttons.addStretch()
        layout.addLayout(buttons)
        layout.addStretch(2)
        self.words.buttonClicked.connect(lambda _button: self.done.setEnabled(True))
        self.estimate.toggled.connect(self._estimate_toggled)
        self.probability.valueChanged.connect(lambda value: self.percent.setText(f"{value}%"))
        self.done.clicked.connect(self._call)
        self.skip.clicked.connect(self.skipped)

    def ask(self, label: str, words: Sequence[str]) -> None:
        """For the next lesion. ``label``: margin or shape; ``words``: what can be said, in the order shown."""
        self.question.setText(tr("The margin is") if label == "margin" else tr("The shape is"))
        for button in self.words.buttons():
            self.words.removeButton(button)
            self._words.removeWidget(button)
            button.hide()  # it is deleted later, and must not stand in the middle of the page until then
            button.deleteLater()
        for word in words:
            button = QPushButton(tr(word))
            button.setCheckable(True)
            button.setProperty("word", word)
            self.words.addButton(button)
            self._words.addWidget(button)
        self.estimate.setChecked(False)
        self.done.setEnabled(False)

    def _estimate_toggled(self, on: bool) -> None:
        self.probability.setEnabled(on)
        self.percent.setText(f"{self.probability.value()}%" if on else "")

    def _call(self) -> None:
        chosen = self.words.checkedButton()
        if chosen is not None:
            value = self.probability.value() / 100 if self.estimate.isChecked() else None
            self.called.emit(str(chosen.property("word")), value)
