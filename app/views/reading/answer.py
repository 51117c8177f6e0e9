"""The reader's answer in a reader study: margin, probability of malignancy, trust in the model."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QElapsedTimer, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.chance_field import ChanceField
from app.widgets.choice_row import Choice, ChoiceRow
from app.widgets.label import Label
from core.domain.reading import Condition
from core.domain.vocabulary import MarginType

TRUSTS = range(1, 6)


@dataclass(frozen=True, kw_only=True)
class Answer:
    margin: MarginType
    probability: float
    """Probability of malignancy, in [0, 1]."""
    trust: int | None
    seconds: float
    """Since the lesion was shown under this condition."""


class ReadingForm(QWidget):
    """Asks by keyboard or mouse: a digit for the margin, a digit for the tens of the probability, Enter."""

    answered = Signal(object)
    """An ``Answer``; nothing is given in advance, so that every value is the reader's own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._clock = QElapsedTimer()
        self._condition = Condition.ALONE
        self.title, self.note = Label(), Label()
        self.title.setObjectName("heading")
        self.note.setObjectName("faint")
        self.note.setWordWrap(True)
        self.margins = ChoiceRow(tr("Margin"), margin_choices(), columns=5, keys_always=True)
        self.probability = ChanceField(tr("Probability of malignancy"))
        trusts = [Choice(value=str(value), text=str(value), key=str(value)) for value in TRUSTS]
        self.trusts = ChoiceRow(tr("Trust in the model, from none to full"), trusts, columns=5)
        # the room of what is asked with the model only stays free, so that nothing moves between the two
        policy = self.trusts.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.trusts.setSizePolicy(policy)
        self.next = QPushButton(tr("Next"))
        self.next.setAutoDefault(False)
        estimate = QHBoxLayout()
        estimate.setContentsMargins(6, 0, 6, 0)
        estimate.addWidget(Label(tr("Probability of malignancy")))
        estimate.addWidget(self.probability, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (self.title, self.note, self.margins):
            layout.addWidget(part)
        layout.addLayout(estimate)
        layout.addWidget(self.trusts)
        layout.addWidget(self.next, 0, Qt.AlignmentFlag.AlignRight)
        self.margins.chosen.connect(self._enable)
        self.margins.left.connect(self.probability.setFocus)
        self.probability.changed.connect(self._enable)
        self.probability.left.connect(self._after_probability)
        self.trusts.chosen.connect(self._enable)
        self.trusts.left.connect(self.next.setFocus)
        self.next.clicked.connect(self._answer)

    def ask(self, condition: Condition, done: int, total: int) -> None:
        """Ask for the lesion that is shown now, with nothing chosen."""
        self._condition = condition
        with_model = condition is Condition.WITH_MODEL
        self.title.setText(tr("Lesion {n} of {all}", n=done + 1, all=total))
        self.note.setText(
            tr("Now with the model: read the same lesion again.") if with_model else tr("Your own reading, alone.")
        )
        self.trusts.setVisible(with_model)
        for row in (self.margins, self.trusts):
            row.set_value(None)
        self.probability.set_value(None)
        self._enable()
        self.margins.setFocus()
        self._clock.start()

    def _after_probability(self) -> None:
        if self._condition is Condition.WITH_MODEL:
            self.trusts.setFocus()
        else:
            self.next.setFocus()

    def _enable(self, _value: object = None) -> None:
        trusted = self._condition is Condition.ALONE or self.trusts.value is not None
        given = self.margins.value is not None and self.probability.value is not None
        self.next.setEnabled(given and trusted)

    def _answer(self) -> None:
        margin, probability, trust = self.margins.value, self.probability.value, self.trusts.value
        if margin is None or probability is None:
            return
        asked = self._condition is Condition.WITH_MODEL
        self.next.setEnabled(False)
        self.answered.emit(
            Answer(
                margin=MarginType(margin),
                probability=probability,
                trust=int(trust) if asked and trust is not None else None,
                seconds=self._clock.elapsed() / 1000,
            )
        )


def margin_choices() -> list[Choice]:
    """The margins of BI-RADS with the digits 1 to 5."""
    return [
        Choice(value=margin.value, text=tr(margin.value), key=str(digit))
        for digit, margin in enumerate(MarginType, start=1)
    ]
