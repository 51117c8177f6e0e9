"""The lesions that were taken out of an image, each of which can be put back: also long after, by any reader."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QMenu, QWidget

from app.operations.lesions import put_back_lesion
from app.qt.formatting import local_time, number
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.store.removed_lesions import RemovedLesion


class RemovedMenu(QMenu):
    refused = Signal(str)

    def __init__(self, session: Session, image_id: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        found = session.reads.removed_lesions(image_id)
        # a section's own text is not shown where a style sheet paints the menu
        heading = self.addAction(tr("Put back") if found else tr("No lesion was removed from this image."))
        heading.setEnabled(False)
        for lesion in found:
            self._add(lesion)

    def _add(self, lesion: RemovedLesion) -> None:
        action = self.addAction(
            tr(
                "Lesion {number} · annotations: {shapes} · removed {time}",
                number=lesion.number,
                shapes=number(lesion.annotations),
                time=local_time(lesion.removed_utc),
            )
        )
        action.setEnabled(self._session.can_write and self._session.reader is not None)
        action.triggered.connect(lambda: self._put_back(lesion))

    def _put_back(self, lesion: RemovedLesion) -> None:
        try:
            put_back_lesion(self._session, lesion.image_id, lesion.id)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))
