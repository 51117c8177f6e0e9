"""The menu on an entry of the worklist: corrections of side, view and patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from app.operations.images import correct_patient, correct_view
from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.domain.vocabulary import Laterality, ViewPosition

_VIEWS = tuple(view for view in ViewPosition if view is not ViewPosition.OTHER)


class CorrectionMenu(QMenu):
    def __init__(self, session: Session, image_id: str, refused: Callable[[str], None], parent: QWidget) -> None:
        """``refused``: called with the reason if a correction cannot be made."""
        super().__init__(parent)
        self._session, self._refused, self._image_id = session, refused, image_id
        image = session.reads.image(image_id)
        sides = ((tr("Right"), Laterality.RIGHT), (tr("Left"), Laterality.LEFT), (tr("Not known"), None))
        views = (*((view.value, view) for view in _VIEWS), (tr("Not known"), None))
        self._choices(tr("Side"), sides, image.laterality, lambda side: self._put(side, image.view))
        self._choices(tr("View"), views, image.view, lambda view: self._put(image.laterality, view))
        self.addAction(tr("Assign to another patient…")).triggered.connect(self._ask_patient)
        for action in self.actions():
            action.setEnabled(session.can_write)
        self.aboutToHide.connect(self.deleteLater)

    def _choices(
        self,
        title: str,
        choices: Sequence[tuple[str, Any]],
        chosen: Any,
        put: Callable[[Any], None],
    ) -> None:
        menu = self.addMenu(title)
        for text, value in choices:
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(value == chosen)
            action.triggered.connect(lambda _checked=False, value=value: put(value))

    def _put(self, side: Laterality | None, view: ViewPosition | None) -> None:
        self._try(lambda: correct_view(self._session, self._image_id, side, view))

    def _ask_patient(self) -> None:
        session, image_id, refused = self._session, self._image_id, self._refused
        dialog = QInputDialog(self.parentWidget())
        dialog.setWindowTitle(tr("Assign to another patient"))
        dialog.setLabelText(tr("Pseudonym of the patient whose breast this image shows:"))
        dialog.setOkButtonText(tr("Move the image"))
        dialog.setCancelButtonText(tr("Cancel"))
        dialog.textValueSelected.connect(
            lambda text: _attempt(lambda: correct_patient(session, image_id, text), refused)
        )
        open_dialog(dialog)

    def _try(self, act: Callable[[], None]) -> None:
        _attempt(act, self._refused)


def _attempt(act: Callable[[], None], refused: Callable[[str], None]) -> None:
    try:
        act()
    except MarginaliaError as error:
        refused(translate_message(error))
