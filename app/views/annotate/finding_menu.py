"""Which lesions in other pictures of the patient are the same finding: one mass, seen in CC and MLO, or again."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget

from app.operations.lesions import link_lesion
from app.qt.formatting import view_name, word
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.views.annotate.lesion_list import size_text
from core.domain.errors import MarginaliaError
from core.domain.study import Image, Lesion


class FindingMenu(QMenu):
    """Menu of one lesion: every lesion of the patient's other pictures, ticked where it is the same finding."""

    linked = Signal(str, object)
    """Sentence on the act, and the ``Act`` that undoes it."""
    refused = Signal(str)

    def __init__(self, session: Session, lesion_id: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        reads = session.reads
        own = reads.lesion(lesion_id)
        here = reads.image(own.image_id)
        self._finding = own.finding_id
        # a section's own text is not shown where a style sheet paints the menu
        heading = self.addAction(tr("Lesion {number} is seen in", number=own.number))
        heading.setEnabled(False)
        for image in reads.images_of_patient(here.patient_id):
            for lesion in reads.lesions(image.id) if image.id != here.id else ():
                self._add(image, lesion)
        if not self.choices:
            nothing = self.addAction(tr("No other picture of this patient has a lesion yet."))
            nothing.setEnabled(False)

    @property
    def choices(self) -> list[QAction]:
        return [action for action in self.actions() if action.isCheckable()]

    def _add(self, image: Image, lesion: Lesion) -> None:
        own, given = self._session.reads.labels(lesion.id)
        margin = own.margin or (given.margin if shows_others_first() else None)
        parts = (
            place_of(image),
            tr("lesion {number}", number=lesion.number),
            tr("not labelled") if margin is None else word(margin),
            size_text(lesion, image),
        )
        action = self.addAction(" · ".join(part for part in parts if part).replace("&", "&&"))
        action.setCheckable(True)
        action.setChecked(lesion.finding_id == self._finding)
        action.setEnabled(not self._session.read_only and self._session.reader is not None)
        action.triggered.connect(lambda ticked=False: self._link(image, lesion, together=bool(ticked)))

    def _link(self, image: Image, lesion: Lesion, *, together: bool) -> None:
        try:
            act = link_lesion(self._session, lesion.id, self._finding if together else None)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))
            return
        form = (
            tr("Lesion {number} of {place} is the same finding now.")
            if together
            else tr("Lesion {number} of {place} is a finding of its own.")
        )
        sentence = form.format(number=lesion.number, place=place_of(image))
        self.linked.emit(sentence, act)


def place_of(image: Image) -> str:
    """A picture of the patient, as radiologists call it, with its year where it is known."""
    return " ".join(part for part in (view_name(image.laterality, image.view), image.acquired or "") if part)
