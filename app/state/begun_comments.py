"""Comments that were begun in Review: kept for their reader and lesion, also when the window closes."""

from __future__ import annotations

from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.store.comment_drafts import CommentDrafts


class BegunComments:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._drafts: CommentDrafts | None = None
        self._study_id = ""

    def of(self, reader: str, lesion_id: str) -> str:
        """Return the comment that this reader began on a lesion and has not sent."""
        drafts = self._open()
        return "" if drafts is None else drafts.of(reader, lesion_id)

    def keep(self, reader: str, lesion_id: str, text: str) -> None:
        """Keep what was typed; on a full disk it stays in memory alone."""
        drafts = self._open()
        if drafts is None or not lesion_id:
            return
        try:
            drafts.put(reader, lesion_id, text)
        except MarginaliaError:
            return

    def _open(self) -> CommentDrafts | None:
        if not self._session.is_open:
            return None
        study_id = self._session.study.info.id
        if self._drafts is None or study_id != self._study_id:
            self._drafts, self._study_id = CommentDrafts(study_id), study_id
        return self._drafts
