"""Readings and verdicts of this sitting as steps that Ctrl+Z takes back, the newest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from app.operations import models
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.domain.opinion import CaseReading, GivenOpinion, Opinion


@dataclass(frozen=True, kw_only=True)
class ReviewStep:
    """The reader's own call was given."""

    reading: CaseReading

    @property
    def lesion_id(self) -> str:
        return self.reading.lesion_id

    @property
    def text(self) -> str:
        return tr("your reading: {word}", word=tr(self.reading.word))


@dataclass(frozen=True, kw_only=True)
class OpinionStep:
    """A verdict or comment took the place of the one before; None where there was or is none."""

    before: Opinion | None
    after: Opinion | None

    @property
    def lesion_id(self) -> str:
        opinion = self.after or self.before
        assert opinion is not None
        return opinion.lesion_id

    @property
    def text(self) -> str:
        if self.after is not None:
            return tr("verdict: {word}", word=tr(self.after.verdict.value))
        return tr("verdict taken back")


Step = ReviewStep | OpinionStep


class ReviewHistory:
    """``show``: shows the lesion of a step before it is taken back, so that nothing unseen changes; ``changed``:
    called after the steps changed."""

    def __init__(
        self,
        session: Session,
        *,
        show: Callable[[str], None],
        refuse: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self._session, self._show, self._refuse, self._changed = session, show, refuse, changed
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def undo_text(self) -> str:
        return self._done[-1].text if self._done else ""

    @property
    def redo_text(self) -> str:
        return self._undone[-1].text if self._undone else ""

    def clear(self) -> None:
        """After another reader, model or study came."""
        self._done.clear()
        self._undone.clear()
        self._changed()

    def add(self, step: Step) -> None:
        self._done.append(step)
        self._undone.clear()
        self._changed()

    def undo(self) -> None:
        if self._done and self._act(self._done[-1], back=True):
            self._undone.append(self._done.pop())
            self._changed()

    def redo(self) -> None:
        if self._undone and self._act(self._undone[-1], back=False):
            self._done.append(self._undone.pop())
            self._changed()

    def _act(self, step: Step, *, back: bool) -> bool:
        """Undo or repeat the step; return True if it succeeded."""
        self._show(step.lesion_id)
        try:
            if isinstance(step, ReviewStep):
                (models.withdraw_reading if back else models.give_reading)(self._session, step.reading)
            else:
                wanted, present = (step.before, step.after) if back else (step.after, step.before)
                self._exchange(present, wanted)
        except MarginaliaError as error:
            self._refuse(translate_message(error))
            return False
        return True

    def _exchange(self, present: Opinion | None, wanted: Opinion | None) -> None:
        given = None if present is None else self._given(present)
        if given is not None:
            models.withdraw_opinion(self._session, given)
        if wanted is not None:
            models.say(self._session, wanted)

    def _given(self, opinion: Opinion) -> GivenOpinion | None:
        """The standing opinion of this reader with these very words."""
        reader = self._session.reader
        standing = self._session.study.reviews.opinions(opinion.run_id)
        same = [
            one for one in standing if one.opinion == opinion and reader is not None and one.who == reader.name
        ]
        return same[-1] if same else None
