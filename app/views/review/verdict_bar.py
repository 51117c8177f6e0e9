"""The reader's verdict on the explanation: one choice with its keys, that can be taken back; and comments."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.qt.formatting import local_time
from app.qt.translation import tr
from app.state.begun_comments import BegunComments
from app.widgets.choice_row import Choice, ChoiceRow
from app.widgets.label import Elided
from app.widgets.line_field import LineField
from core.domain.opinion import GivenOpinion, Verdict

KEYS = {
    Verdict.AGREE: "a",
    Verdict.DISAGREE: "d",
    Verdict.WRONG_REGION: "r",
    Verdict.WRONG_PROTOTYPE: "p",
}
_PAUSE_MS = 800
"""A comment is kept when its writer pauses for so long."""


class VerdictBar(QWidget):
    chosen = Signal(object, str)
    """A ``Verdict`` (None: the verdict is taken back), and the comment that stands beside it."""
    left = Signal()
    """Emitted when a comment was written or its field left: the keys are the screen's again."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        tips = {
            Verdict.AGREE: tr("You agree with the class and with the reasons"),
            Verdict.DISAGREE: tr("You disagree with the class"),
            Verdict.WRONG_REGION: tr("The model looks at the wrong place"),
            Verdict.WRONG_PROTOTYPE: tr("The chosen prototype is not a fair comparison"),
        }
        choices = [
            Choice(value=verdict.value, text=_capital(tr(verdict.value)), key=key, tip=tips[verdict])
            for verdict, key in KEYS.items()
        ]
        self.verdicts = ChoiceRow(tr("Your verdict"), choices, columns=4, titled=False, keys_always=True)
        self.comment = LineField()
        self._reader = self._lesion = ""
        self.begun: BegunComments | None = None
        """Keeps comments that are not sent yet: a step to another lesion takes none of them along."""
        self._typed = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._typed.timeout.connect(self.keep_draft)
        self.comment.textEdited.connect(self._typed.start)
        self.comment.setPlaceholderText(tr("Comment on this explanation (C)"))
        self.comment.setAccessibleName(tr("Comment on this explanation"))
        self.comment.returnPressed.connect(self._comment)
        self.send = QPushButton(tr("Comment"))
        self.send.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.send.clicked.connect(self._comment)
        self.past = Elided()
        self.past.setObjectName("faint")
        self.past.setFixedHeight(self.past.fontMetrics().height() + 2)
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(6)
        line.addWidget(self.verdicts, 3)
        line.addWidget(self.comment, 2)
        line.addWidget(self.send)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(self.past)
        self.verdicts.chosen.connect(self._verdict_chosen)
        self.comment.escaped.connect(self.left)

    def show_given(self, lesion_id: str, given: Sequence[GivenOpinion], reader: str) -> None:
        """Show the reader's own verdict on a lesion as the chosen one, and all opinions, the newest first."""
        if (reader, lesion_id) != (self._reader, self._lesion):
            # who signs in to send a comment has typed it already
            typed = "" if self._reader or lesion_id != self._lesion else self.comment.text()
            self.keep_draft()
            self._reader, self._lesion = reader, lesion_id
            self.comment.setText(typed or ("" if self.begun is None else self.begun.of(reader, lesion_id)))
        own = verdict_of(given, reader)
        self.verdicts.set_value(None if own is None else own.opinion.verdict.value)
        self.past.say(" · ".join(_text(one) for one in reversed(given)))

    def clear_comment(self) -> None:
        """The comment was kept with the study: the field is for the next one."""
        self.comment.clear()
        self.keep_draft()

    def keep_draft(self) -> None:
        """Keep what stands in the field for its reader and lesion."""
        self._typed.stop()
        if self.begun is not None and self._lesion:
            self.begun.keep(self._reader, self._lesion, self.comment.text())

    def _verdict_chosen(self, value: object) -> None:
        self.chosen.emit(None if value is None else Verdict(str(value)), self.comment.text().strip())

    def _comment(self) -> None:
        comment = self.comment.text().strip()
        if not comment:
            self.comment.setFocus()
            return
        self.chosen.emit(Verdict.COMMENT, comment)
        self.left.emit()


def verdict_of(given: Sequence[GivenOpinion], reader: str) -> GivenOpinion | None:
    """The reader's verdict that stands; comments are none."""
    own = [one for one in given if one.who == reader and one.opinion.verdict is not Verdict.COMMENT]
    return own[-1] if own else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(given: GivenOpinion) -> str:
    opinion = given.opinion
    verdict = tr(opinion.verdict.value)
    if opinion.prototype is not None and opinion.verdict is Verdict.WRONG_PROTOTYPE:
        verdict = f"{verdict} {opinion.prototype}"
    about = f"{verdict}: {opinion.comment}" if opinion.comment else verdict
    return f"{given.who}, {local_time(given.at_utc)}: {about}"
