"""What the reader says of a lesion in a reader study: margin, probability of malignancy, trust in the model."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QElapsedTimer, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.reading import Condition
from core.domain.vocabulary import MarginType

TRUSTS = range(1, 6)


@dataclass(frozen=True, kw_only=True)
class Answer:
    margin: MarginType
    probability: float
    """Of malignancy, in [0, 1]."""
    trust: int | None
    seconds: float
    """Since the lesion was shown under this condition."""


class AnswerPanel(QWidget):
    answered = Signal(object)
    """An ``Answer``; nothing is given in advance, so that every value is the reader's own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = QElapsedTimer()
        self._condition = Condition.ALONE
        self._touched = False
        self.title, self.note, self.percent, self.trust_title = Label(), Label(), Label(), Label()
        self.title.setObjectName("heading")
        self.note.setObjectName("faint")
        self.note.setWordWrap(True)
        self.percent.setMinimumWidth(48)
        self.margins, self.trusts = QButtonGroup(self), QButtonGroup(self)
        words, trust_line = QHBoxLayout(), QHBoxLayout()
        for margin in MarginType:
            words.addWidget(_choice(self.margins, tr(margin.value), margin.value))
        self.trust_title.setText(tr("Trust in the model, from none to full"))
        trust_line.addWidget(self.trust_title)
        for value in TRUSTS:
            trust_line.addWidget(_choice(self.trusts, str(value), value))
        self.probability = QSlider(Qt.Orientation.Horizontal)
        self.probability.setRange(0, 100)
        self.probability.setAccessibleName(tr("Probability of malignancy"))
        self.next = QPushButton(tr("Next"))
        estimate = QHBoxLayout()
        estimate.addWidget(Label(tr("Probability of malignancy")))
        estimate.addWidget(self.probability, 1)
        estimate.addWidget(self.percent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.note):
            layout.addWidget(part)
        for line in (words, estimate, trust_line):
            layout.addLayout(line)
        layout.addWidget(self.next, 0, Qt.AlignmentFlag.AlignRight)
        self.margins.buttonClicked.connect(self._enable)
        self.trusts.buttonClicked.connect(self._enable)
        self.probability.valueChanged.connect(self._moved)
        self.probability.sliderPressed.connect(self._moved)
        self.next.clicked.connect(self._answer)

    def ask(self, condition: Condition, done: int, total: int) -> None:
        """For the lesion that is shown now."""
        self._condition, self._touched = condition, False
        with_model = condition is Condition.WITH_MODEL
        self.title.setText(tr("Lesion {n} of {all}", n=done + 1, all=total))
        self.note.setText(
            tr("Now with the model: read the same lesion again.") if with_model else tr("Your own reading, alone.")
        )
        for group in (self.margins, self.trusts):
            group.setExclusive(False)
            for button in group.buttons():
                button.setChecked(False)
            group.setExclusive(True)
        for widget in (self.trust_title, *self.trusts.buttons()):
            widget.setVisible(with_model)
        self.probability.blockSignals(True)
        self.probability.setValue(50)
        self.probability.blockSignals(False)
        self.percent.setText("")
        self._enable()
        self._clock.start()

    def _moved(self) -> None:
        self._touched = True
        self.percent.setText(f"{self.probability.value()}%")
        self._enable()

    def _enable(self) -> None:
        trusted = self._condition is Condition.ALONE or self.trusts.checkedButton() is not None
        self.next.setEnabled(self._touched and trusted and self.margins.checkedButton() is not None)

    def _answer(self) -> None:
        margin, trust = self.margins.checkedButton(), self.trusts.checkedButton()
        if margin is None:
            return
        asked = self._condition is Condition.WITH_MODEL
        self.next.setEnabled(False)
        self.answered.emit(
            Answer(
                margin=MarginType(margin.property("value")),
                probability=self.probability.value() / 100,
                trust=int(trust.property("value")) if asked and trust is not None else None,
                seconds=self._clock.elapsed() / 1000,
            )
        )


def _choice(group: QButtonGroup, text: str, value: object) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(True)
    button.setProperty("value", value)
    group.addButton(button)
    return button
