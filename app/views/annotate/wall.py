"""What hangs in the annotation workspace: the chosen image, and beside it the others of the chosen hanging."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.models.pictures import Pictures, Shown
from app.qt import settings
from app.qt.translation import tr
from app.session import Session
from app.views.annotate.arrangement import Hanging, arrange
from app.views.annotate.findings import Drawn, FindingsLayer
from app.widgets.viewer.hanging import HangingView, Pane
from app.widgets.viewer.mammogram_view import MammogramView, Reading
from core.domain.study import Image

_SETTING = "hanging"


class Wall(QObject):
    """Follows the session's image; the picture that is touched becomes the session's image."""

    ready = Signal(object)
    """The ``Shown`` of the session's image."""
    refused = Signal(str)
    """Why less hangs than was asked for."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.hanging_view = HangingView()
        self.pictures = Pictures(session, self)
        self._hanging = chosen_hanging()
        self._images: tuple[Image, ...] = ()
        self._shown: dict[str, Shown] = {}
        self._layers: dict[MammogramView, FindingsLayer] = {}
        self._pointed: str | None = None
        for view in self.hanging_view.views:
            self._dress(view)
        self.hanging_view.view_made.connect(self._dress)
        self.hanging_view.active_changed.connect(self._take_active)
        self.hanging_view.cursor_moved.connect(self._point)
        self.pictures.ready.connect(self._take)
        self.pictures.failed.connect(self._lose)

    @property
    def view(self) -> MammogramView:
        """The one that is worked in."""
        return self.hanging_view.active

    @property
    def hanging(self) -> Hanging:
        return self._hanging

    @property
    def images(self) -> tuple[Image, ...]:
        """In the order of the views."""
        return self._images

    def shown(self, image_id: str) -> Shown | None:
        """The picture of an image that hangs; None while it is read or where it cannot be."""
        return self._shown.get(image_id)

    def set_hanging(self, hanging: Hanging) -> None:
        self._hanging = hanging
        settings.put(_SETTING, hanging.value)
        if self._session.image_id is not None:
            self._hang(self._session.image_id)

    def show_image(self, image_id: str) -> None:
        """Work in its view where it hangs already, else hang it with what belongs beside it."""
        place = self._place(image_id)
        if place is None:
            self._hang(image_id)
        else:
            self.hanging_view.activate(place)

    def clear(self, message: str) -> None:
        self._images, self._shown = (), {}
        self.hanging_view.arrange([])
        self.hanging_view.put(0, None, message)
        self.refresh()

    def refresh(self) -> None:
        """After lesions, shapes or the choice changed."""
        views, session = self.hanging_view.views, self._session
        chosen = session.reads.lesion(session.lesion_id).finding_id if session.lesion_id else None
        for view, image in zip(views, self._images, strict=False):
            reads = session.reads
            beside = view is not self.view
            drawn = [
                Drawn(lesion=lesion, shapes=reads.shapes(lesion.id) if beside and reads.reader_id else ())
                for lesion in (reads.lesions(image.id) if len(views) > 1 else ())
            ]
            self._layers[view].show(drawn, image.pixel_spacing_mm, beside=beside)
            self._layers[view].mark(chosen=chosen, pointed=self._pointed)
        if not self._images:
            self._layers[self.view].show((), None, beside=False)

    def _hang(self, image_id: str) -> None:
        reads = self._session.reads
        here = reads.image(image_id)
        self._images = arrange(here, reads.images_of_patient(here.patient_id), self._hanging)
        self._shown, self._pointed = {}, None
        if len(self._images) == 1 and self._hanging is not Hanging.SINGLE:
            self.refused.emit(_why_alone(self._hanging))
        panes = [Pane.of(image, self._caption(image, here)) for image in self._images]
        self.hanging_view.arrange(panes, self._images.index(here))
        for number in range(len(panes)):
            self.hanging_view.put(number, None, tr("Loading…"))
        others = [image.id for image in self._images if image.id != image_id]
        self.pictures.want(image_id, *others)
        self.refresh()

    def _caption(self, image: Image, here: Image) -> str:
        if self._hanging is not Hanging.PRIOR or len(self._images) == 1:
            return ""
        date = image.acquired or ""
        return tr("Current {date}", date=date) if image.id == here.id else tr("Prior {date}", date=date)

    def _place(self, image_id: str) -> int | None:
        return next((i for i, image in enumerate(self._images) if image.id == image_id), None)

    def _dress(self, view: MammogramView) -> None:
        self._layers[view] = FindingsLayer(view)

    def _take_active(self, view: MammogramView) -> None:
        views = self.hanging_view.views
        if not self._images or view not in views:
            return
        image = self._images[views.index(view)]
        if image.id != self._session.image_id:
            self._session.select(image.id, self._session.reads.partner(self._session.lesion_id, image.id))

    def _point(self, view: MammogramView, reading: Reading | None) -> None:
        pointed = None
        if reading is not None and view in self._layers and len(self._images) > 1:
            pointed = self._layers[view].finding_at(reading.at)
        if pointed != self._pointed:
            self._pointed = pointed
            self.refresh_marks()

    def refresh_marks(self) -> None:
        session = self._session
        chosen = session.reads.lesion(session.lesion_id).finding_id if session.lesion_id else None
        for view in self.hanging_view.views:
            self._layers[view].mark(chosen=chosen, pointed=self._pointed)

    def _take(self, shown: Shown) -> None:
        place = self._place(shown.image.id)
        if place is None:
            return
        self._shown[shown.image.id] = shown
        self.hanging_view.put(place, shown.picture)
        if shown.image.id == self._session.image_id:
            self.ready.emit(shown)

    def _lose(self, image_id: str, sentence: str) -> None:
        place = self._place(image_id)
        if place is not None:
            self.hanging_view.put(place, None, tr("This image cannot be shown.") + "\n" + sentence)


def chosen_hanging() -> Hanging:
    found = settings.text(_SETTING)
    return Hanging(found) if found in set(Hanging) else Hanging.SINGLE


def _why_alone(hanging: Hanging) -> str:
    return {
        Hanging.VIEWS: tr("The study has no other view of this breast."),
        Hanging.SIDES: tr("The study has no picture of the other breast in this view."),
        Hanging.FOUR: tr("The study has no other picture of this examination."),
        Hanging.PRIOR: tr("The study has no earlier examination of this breast in this view."),
    }[hanging]
