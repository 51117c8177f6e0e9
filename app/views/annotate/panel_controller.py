"""Fills the panel beside the picture with what the study knows of the chosen lesion."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QObject, QTimer

from app.models.pictures import LoadedPicture
from app.qt.background import Background, WorkResult
from app.qt.translation import tr
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.views.annotate.finding_menu import place_of
from app.views.annotate.lesion_list import Listed
from app.views.annotate.side_panel import SidePanel
from app.widgets.drawing.mask_preview import MaskPreview
from app.widgets.viewer.picture import Display
from core.domain.study import Labels, Lesion
from core.tasks.studies.queries import HistoryEntry

_HISTORY_MS = 250


class PanelController(QObject):
    def __init__(self, session: Session, panel: SidePanel, preview: MaskPreview) -> None:
        super().__init__(panel)
        self._session, self._panel, self._preview = session, panel, preview
        self.past: list[HistoryEntry] = []
        """Revisions of the lesion in work, as they were read last, the newest first."""
        self._later = QTimer(self, singleShot=True, interval=_HISTORY_MS)
        self._later.timeout.connect(self._read_history)
        self._reader = Background(self, name="history")
        self._reader.done.connect(self._take_history)

    def show_labels(self) -> None:
        session, reads = self._session, self._session.reads
        if session.image_id is None:
            return
        listed = []
        for lesion in reads.lesions(session.image_id):
            own, given = reads.labels(lesion.id)
            said = own if own.margin is not None or not shows_others_first() else given
            places = tuple(place_of(image) for image in reads.seen_in(lesion.id))
            listed.append(Listed(lesion=lesion, said=said, seen_in=places))
        self._panel.lesions.show_lesions(reads.image(session.image_id), listed, session.lesion_id)
        if session.lesion_id is None:
            self._panel.form.show_labels("", Labels(), Labels(), editable=False)
            self._panel.author.say("")
            return
        own, given = reads.labels(session.lesion_id)
        writable = session.reader is not None and not session.read_only
        shown = given if shows_others_first() else answered(own, given)
        self._panel.form.show_labels(session.lesion_id, own, shown, editable=writable)
        by = tr("nobody is signed in") if session.reader is None else tr("by {name}", name=session.reader.name)
        self._panel.author.say(by)

    def show_mask(self, shown: LoadedPicture | None, lesion: Lesion | None) -> None:
        if shown is None or lesion is None:
            self._preview.set_lesion(None, None, None)
            return
        picture = shown.picture
        self._preview.set_lesion(picture, Display(voi=picture.choices[0]).table(picture), lesion.box)

    def show_history_soon(self) -> None:
        """While strokes follow each other, the list is made once."""
        self._later.start()

    def _read_history(self) -> None:
        """After a stroke: without waiting for the server of a shared study, since the pen may move again."""
        session = self._session
        lesion, past = session.lesion_id, self.past
        if not session.is_open or lesion is None or not session.study.shared:
            self.show_history()
            return
        reads = session.reads
        self._reader.submit(lesion, lambda: (reads.history(lesion, past), reads.label_changes(lesion)))

    def _take_history(self, result: WorkResult) -> None:
        # without an answer of the server the list stays; the banner says that it is gone
        if result.error is None and self._session.is_open and result.key == self._session.lesion_id:
            found: Any = result.value
            self.past, changes = found
            self._panel.history.show_history(self.past, changes)

    def show_history(self) -> None:
        session = self._session
        if not session.is_open:
            return
        changes = []
        if session.lesion_id:
            self.past = session.reads.history(session.lesion_id, self.past)
            changes = session.reads.label_changes(session.lesion_id)
        self._panel.history.show_history(self.past, changes)

    def stop(self) -> None:
        """Before the study closes."""
        self._later.stop()
        self._reader.drain()
        self._reader.stop()

    def clear(self) -> None:
        self._preview.set_lesion(None, None, None)
        self._panel.lesions.show_nothing()
        self._panel.form.show_labels("", Labels(), Labels(), editable=False)
        self._panel.author.say("")
        self.past = []
        self._panel.history.show_history([])


def answered(own: Labels, given: Labels) -> Labels:
    """Return the data set's labels whose counterpart the reader gave: the rest would lead the reader."""
    fields = ("margin", "shape", "density", "category", "pathology")
    shown = {name: getattr(given, name) for name in fields if getattr(own, name) is not None}
    return Labels(**shown)
