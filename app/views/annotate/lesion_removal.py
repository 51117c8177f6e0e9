"""Removing a lesion: at once where only the reader's own work goes with it, since undo brings it back; else a
question that names the other readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QCheckBox, QMessageBox, QWidget

from app.operations.lesions import remove_lesion
from app.qt.dialogs import open_dialog
from app.qt.formatting import listed
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.journal import Act
from app.state.session import Session
from core.domain.errors import MarginaliaError


class LesionRemoval:
    def __init__(
        self,
        session: Session,
        parent: QWidget,
        *,
        removed: Callable[[str, Act], None],
        refused: Callable[[str], None],
    ) -> None:
        """``removed``: called with a sentence and the act when a lesion is gone; ``refused``: with the reason."""
        self._session, self._parent = session, parent
        self._removed, self._refused = removed, refused

    def start(self) -> None:
        """Remove the chosen lesion, after a question if other readers labelled it or drew on it."""
        lesion_id = self._session.lesion_id
        if lesion_id is None:
            return
        others = self._session.reads.other_contributors(lesion_id)
        if others:
            open_dialog(self._question(lesion_id, others))
        else:
            self._remove(lesion_id)

    def _question(self, lesion_id: str, others: Sequence[str]) -> QMessageBox:
        number = self._session.reads.lesion(lesion_id).number
        box = QMessageBox(self._parent)
        box.setWindowTitle(tr("Remove lesion"))
        box.setText(tr("Remove lesion {n}?", n=number))
        box.setInformativeText(
            tr("{names} labelled this lesion or drew on it. Undo brings everything back.", names=listed(others))
        )
        agreed = QCheckBox(tr("Remove their labels and shapes too"), box)
        box.setCheckBox(agreed)
        remove = box.addButton(tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        keep = box.addButton(tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        remove.setAutoDefault(False)
        remove.setEnabled(False)
        agreed.toggled.connect(remove.setEnabled)
        remove.clicked.connect(lambda: self._remove(lesion_id))
        return box

    def _remove(self, lesion_id: str) -> None:
        number = self._session.reads.lesion(lesion_id).number
        try:
            act = remove_lesion(self._session, lesion_id)
        except MarginaliaError as error:
            self._refused(translate_message(error))
            return
        self._removed(tr("Lesion {n} was removed.", n=number), act)
