"""Connects the tool that proposes margins with the study: when it may, how wide the line is, what is recorded."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.qt.sentences import translate_message
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.widgets.drawing.canvas import AnnotationCanvas, ProposalRules
from core.domain.shapes import Length


class ProposalController(QObject):
    """Follows the session of the annotation workspace."""

    def __init__(self, session: Session, canvas: AnnotationCanvas) -> None:
        super().__init__(canvas)
        self._session = session
        self._lesion = ""
        """The lesion that a margin was proposed for last."""
        canvas.proposal_rules = ProposalRules(why_not=self._why_not, width=self._last_width)
        canvas.proposal_refused.connect(self._record_refusal)

    def _why_not(self) -> str:
        from core.tasks.studies.proposals import why_no_proposal

        session = self._session
        if session.image_id is None or session.reader is None:
            return ""
        self._lesion = session.lesion_id or ""
        reason = why_no_proposal(
            session.study, session.reader.id, session.image_id, session.lesion_id, blind=not shows_others_first()
        )
        return translate_message(reason) if reason else ""

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
