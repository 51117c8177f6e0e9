"""What the reader says of the explanation: kept in the audit trail."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.qt.formatting import local_time
from app.qt.translation import tr
from app.widgets.label import Label, tip
from core.domain.opinion import GivenOpinion, Verdict

_TIPS = {
    Verdict.AGREE: lambda: tr("You agree with the class and with the reasons"),
    Verdict.DISAGREE: lambda: tr("You disagree with the class"),
    Verdict.WRONG_REGION: lambda: tr("The model looks at the wrong place"),
    Verdict.WRONG_PROTOTYPE: lambda: tr("The chosen prototype is no fair comparison"),
}


class OpinionBar(QWidget):
    said = Signal(object, str)
    """A ``Verdict`` and the comment that stands beside it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.buttons: dict[Verdict, QPushButton] = {}
        self.comment = QLineEdit()
        self.comment.setPlaceholderText(tr("Comment on this explanation"))
        self.comment.returnPressed.connect(lambda: self._say(Verdict.COMMENT))
        self.past = Label()
        self.past.setObjectName("faint")
        self.past.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        line, first = QHBoxLayout(), QHBoxLayout()
        first.addWidget(self.comment, 1)
        for verdict in Verdict:
            button = QPushButton(_capital(tr(verdict.value)))
            button.setToolTip(_TIPS[verdict]() if verdict in _TIPS else "")
            button.clicked.connect(lambda _checked=False, verdict=verdict: self._say(verdict))
            self.buttons[verdict] = button
            (first if verdict is Verdict.COMMENT else line).addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(line)
        layout.addLayout(first)
        layout.addWidget(self.past)

    def show_past(self, given: Sequence[GivenOpinion]) -> None:
        """The newest first."""
        texts = [_text(one) for one in reversed(given)]
        self.past.setText(" · ".join(texts))
        self.past.setToolTip(tip("\n".join(texts)))
        self.past.setVisible(bool(texts))

    def _say(self, verdict: Verdict) -> None:
        comment = self.comment.text().strip()
        if verdict is Verdict.COMMENT and not comment:
            self.comment.setFocus()
            return
        self.comment.clear()
        self.said.emit(verdict, comment)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(given: GivenOpinion) -> str:
    opinion = given.opinion
    said = tr(opinion.verdict.value)
    if opinion.prototype is not None and opinion.verdict is Verdict.WRONG_PROTOTYPE:
        said = f"{said} {opinion.prototype}"
    about = f"{said}: {opinion.comment}" if opinion.comment else said
    return f"{given.who}, {local_time(given.at_utc)}: {about}"
