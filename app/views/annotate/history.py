"""The history of Annotate: what was done on the image that is seen, whatever it was, step by step."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.operations.edit_history import ReplaceShapes
from app.qt.sentences import translate_message
from app.state.journal import Act
from app.state.session import Session
from app.widgets.drawing.document import AnnotationDocument, text_of
from core.domain.edits import Shapes
from core.domain.errors import MarginaliaError


class AnnotateHistory(QObject):
    """Undo and redo over the session's journal.

    Where the journal of the image is at its beginning, undo goes on with the edits of earlier sessions, which the
    document of the chosen lesion knows from its stored revisions.
    """

    refused = Signal(str)
    """Why a step could not be made, as a sentence."""

    def __init__(self, session: Session, document: AnnotationDocument, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session, self._document = session, document
        document.edited.connect(self._record)

    @property
    def undo_text(self) -> str:
        act = self._undoes()
        return act.text if act is not None else ""

    @property
    def redo_text(self) -> str:
        act = self._redoes()
        return act.text if act is not None else ""

    def undo(self) -> None:
        image_id, act = self._session.image_id, self._undoes()
        if image_id is None or act is None:
            return
        journal = self._session.journal
        if journal.undoes(image_id) is None:
            journal.put_before(act)
        self._step(act, lambda: journal.undo(image_id))

    def redo(self) -> None:
        image_id, act = self._session.image_id, self._redoes()
        if image_id is None or act is None:
            return
        journal = self._session.journal
        if journal.redoes(image_id) is None:
            self._step(act, act.redo)
            journal.put_after(act)
        else:
            self._step(act, lambda: journal.redo(image_id))

    def take_back(self, act: Act) -> None:
        """Take back one act, the last one or not."""
        self._step(act, lambda: self._session.journal.take_back(act))

    def record_edit(self, edit: ReplaceShapes) -> None:
        """Record a change of the chosen lesion's shapes that was committed beside the document."""
        self._record(edit)

    def _record(self, edit: ReplaceShapes) -> None:
        if self._session.image_id is not None and self._session.lesion_id is not None:
            self._session.journal.record(self._act_of(edit))

    def _act_of(self, edit: ReplaceShapes) -> Act:
        lesion_id, text = self._session.lesion_id or "", text_of(edit)
        return Act(
            text=text,
            image_id=self._session.image_id or "",
            lesion_id=lesion_id,
            undo=lambda: self._put(lesion_id, edit.before, text),
            redo=lambda: self._put(lesion_id, edit.after, text),
        )

    def _undoes(self) -> Act | None:
        image_id = self._session.image_id
        if image_id is None or not self._may_step():
            return None
        act = self._session.journal.undoes(image_id)
        edit = self._document.last_edit
        return act if act is not None or edit is None or not self._has_lesion() else self._act_of(edit)

    def _redoes(self) -> Act | None:
        image_id = self._session.image_id
        if image_id is None or not self._may_step():
            return None
        journal, edit = self._session.journal, self._document.next_edit
        if journal.redoes(image_id) is not None or edit is None or not self._has_lesion():
            return journal.redoes(image_id)
        # after an act of this session the edits that were undone in an earlier one are out of reach
        return None if journal.has_new(image_id) else self._act_of(edit)

    def _may_step(self) -> bool:
        return self._session.can_write and not self._document.paused

    def _has_lesion(self) -> bool:
        return self._session.lesion_id is not None and not self._document.read_only

    def _step(self, act: Act, step: Callable[[], object]) -> None:
        """Show what the step is about, make it, and show what it brought back."""
        try:
            self._choose(act)
            step()
            self._choose(act)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))

    def _choose(self, act: Act) -> None:
        ids = [lesion.id for lesion in self._session.reads.lesions(act.image_id)]
        if act.lesion_id in ids and self._session.lesion_id != act.lesion_id:
            self._session.select(act.image_id, act.lesion_id)

    def _put(self, lesion_id: str, shapes: Shapes, text: str) -> None:
        """Through the document where the lesion is in work, so that a full disk pauses drawing as ever."""
        if self._session.lesion_id == lesion_id and not self._document.read_only:
            self._document.return_to(shapes, text)
        else:
            self._session.commit_shapes(lesion_id, shapes)
