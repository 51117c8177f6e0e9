"""Connects the tool that proposes margins with the study: when it may, how wide the line is, what is recorded, and
what is learned from the reader's own margins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.qt.background import Background, WorkResult
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.changes import Change, ReaderChanged, StudyClosing
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.widgets.drawing.canvas import AnnotationCanvas, ProposalRules
from app.widgets.explain.numbers import signed
from core.domain.shapes import Length

if TYPE_CHECKING:
    from core.imaging.margin.proposal import ProposalSettings
    from core.tasks.studies.learned_margin import LearnedMargin

LEARN_EVERY = 10
"""Proposals of a reader between two times that their habit is learned."""


class ProposalController(QObject):
    """Follows the session of the annotation workspace."""

    def __init__(self, session: Session, canvas: AnnotationCanvas) -> None:
        super().__init__(canvas)
        self._session, self._canvas = session, canvas
        self._lesion = ""
        """The lesion that a margin was proposed for last."""
        self._settings: ProposalSettings | None = None
        """Settings of the proposal that is shown; an anchor does not change them."""
        self._shown = 0
        """Proposals since the reader was chosen or the study opened."""
        self._said: LearnedMargin | None = None
        """The parameters that the user was last informed of."""
        self.learning = Background(self, name="margins", most=1)
        self.learning.done.connect(self._take_learned)
        canvas.proposal_rules = ProposalRules(
            why_not=self._why_not, width=self._last_width, settings=lambda: self._settings
        )
        canvas.proposal_refused.connect(self._record_refusal)
        session.changed.connect(self._follow)

    def _why_not(self) -> str:
        from core.tasks.studies.proposals import why_no_proposal

        session = self._session
        if session.image_id is None or session.reader is None:
            return ""
        self._lesion = session.lesion_id or ""
        reason = why_no_proposal(
            session.study, session.reader.id, session.image_id, session.lesion_id, blind=not shows_others_first()
        )
        if reason:
            return translate_message(reason)
        self._settings = self._learned_settings()
        return ""

    def _last_width(self) -> Length | None:
        from core.tasks.studies.proposals import last_width

        session = self._session
        if session.reader is None or session.image_id is None:
            return None
        width = last_width(session.study, session.reader.id)
        measured = session.reads.image(session.image_id).pixel_spacing_mm is not None
        return None if width is None or (width.unit == "mm") != measured else width

    def _record_refusal(self) -> None:
        session = self._session
        if session.is_open and session.can_write and self._lesion:
            from core.store.annotations import annotation_subject
            from core.tasks.readers.annotation_figures import REFUSED

            reader = session.reader.id if session.reader else ""
            session.study.audit.record(REFUSED, annotation_subject(self._lesion, reader))

    # learning from the reader's own margins

    def _learned_settings(self) -> ProposalSettings | None:
        from core.tasks.studies.learned_margin import learned_of

        session = self._session
        if session.reader is None or session.image_id is None:
            return None
        if self._shown % LEARN_EVERY == 0:
            self._learn(session.reader.id)
        self._shown += 1
        learned = learned_of(session.study, session.reader.id)
        if learned is None or not learned.used:
            return None
        self._say(learned)
        return learned.settings(session.reads.image(session.image_id).pixel_spacing_mm)

    def _say(self, learned: LearnedMargin) -> None:
        """Inform the user once of what is in use."""
        if learned == self._said:
            return
        self._said = learned
        self._canvas.say(
            tr(
                "Proposals follow your own margins: {shift} mm outwards, learned from {lesions} lesions.",
                shift=signed(learned.shift_mm, 1),
                lesions=learned.lesions,
            )
        )

    def _learn(self, reader_id: str) -> None:
        study = self._session.study
        if not self._session.can_write:
            return

        def work() -> LearnedMargin:
            from core.tasks.studies.learned_margin import learn_of_reader

            return learn_of_reader(study, reader_id)

        self.learning.submit(reader_id, work)

    def _take_learned(self, result: WorkResult) -> None:
        from core.tasks.studies.learned_margin import LearnedMargin, keep_learned, learned_of

        session, learned = self._session, result.value
        if not isinstance(learned, LearnedMargin) or not session.is_open or not session.can_write:
            return
        if session.reader is None or session.reader.id != result.key or learned.change_mm is None:
            return
        if learned_of(session.study, session.reader.id) != learned:
            keep_learned(session.study, session.reader.id, learned)

    def _follow(self, change: Change) -> None:
        match change:
            case StudyClosing():
                self.learning.stop()
                self._shown, self._said = 0, None
            case ReaderChanged():
                self._shown, self._said = 0, None
