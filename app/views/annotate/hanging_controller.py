"""Shows the selected image and the comparison images of the current hanging protocol."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from app.models.pictures import Key, LoadedPicture, Pictures
from app.qt import settings
from app.qt.translation import tr
from app.state.preferences import opens_at_lesion
from app.state.session import Session
from app.views.annotate.arrangement import Hanging, arrange
from app.views.annotate.findings import Drawn, FindingsLayer
from app.views.annotate.seen_pictures import SeenPictures
from app.widgets.viewer.hanging import HangingView, Pane
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.pixel_probe import PixelProbe
from core.domain.study import Image

_SETTING = "hanging"


class HangingController(QObject):
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
        self._shown: dict[str, LoadedPicture] = {}
        self._frames: dict[str, int] = {}
        self._layers: dict[MammogramView, FindingsLayer] = {}
        self._pointed: str | None = None
        self.seen = SeenPictures()
        for view in self.hanging_view.views:
            self._dress(view)
        self.hanging_view.view_made.connect(self._dress)
        self.hanging_view.active_changed.connect(self._take_active)
        self.hanging_view.cursor_moved.connect(self._point)
        self.hanging_view.slice_requested.connect(self._turn)
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

    def shown(self, image_id: str) -> LoadedPicture | None:
        """The picture of an image that hangs, of its present slice; None while it is read or cannot be."""
        shown = self._shown.get(image_id)
        return shown if shown is not None and shown.frame == self._frames.get(image_id) else None

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
            self.show_frame()

    def show_frame(self) -> None:
        """The session's slice of the session's image, where another one is shown; the sight stays as it is."""
        image_id, frame = self._session.image_id, self._session.frame
        place = None if image_id is None else self._place(image_id)
        if image_id is None or place is None or self._frames.get(image_id) == frame:
            return
        self._frames[image_id] = frame
        count = self._images[place].frames
        self.hanging_view.views[place].set_slice(frame, count)
        self.pictures.want((image_id, frame))

    def prepare(self, cases: Sequence[tuple[str, str | None]]) -> None:
        """Read ahead what going to one of these images and lesions would hang, the first one first."""
        image_id = self._session.image_id
        shown = None if image_id is None else self.shown(image_id)
        if shown is None:
            return
        reads, keys = self._session.reads, _slices_beside(shown)
        for case, lesion_id in cases:
            here = reads.image(case)
            beside = arrange(here, reads.images_of_patient(here.patient_id), self._hanging)
            for image in (here, *(one for one in beside if one.id != case)):
                chosen = lesion_id if image.id == case else None
                frame = self._first_frame(image) if chosen is None else reads.lesion(chosen).frame
                keys.append((image.id, frame))
        self.pictures.prepare(*keys)

    def clear(self, message: str) -> None:
        self._images, self._shown, self._frames = (), {}, {}
        self.hanging_view.arrange([])
        self.hanging_view.active.set_slice(0, 1)
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
                if lesion.frame == self._frames.get(image.id, 0)
            ]
            self._layers[view].show(drawn, image.pixel_spacing_mm, beside=beside)
            self._layers[view].mark(chosen=chosen, pointed=self._pointed)
        if not self._images:
            self._layers[self.view].show((), None, beside=False)

    def _hang(self, image_id: str) -> None:
        self.remember()
        reads = self._session.reads
        here = reads.image(image_id)
        self._images = arrange(here, reads.images_of_patient(here.patient_id), self._hanging)
        self._shown, self._pointed = {}, None
        if len(self._images) == 1 and self._hanging is not Hanging.SINGLE:
            self.refused.emit(_why_alone(self._hanging))
        panes = [Pane.of(image, self._caption(image, here)) for image in self._images]
        self.hanging_view.arrange(panes, self._images.index(here))
        self._frames = {image.id: self._first_frame(image) for image in self._images}
        for number, image in enumerate(self._images):
            self.hanging_view.put(number, None, tr("Loading…"))
            self.hanging_view.views[number].set_slice(self._frames[image.id], image.frames)
        ordered = (here, *(image for image in self._images if image.id != image_id))
        self.pictures.want(*((image.id, self._frames[image.id]) for image in ordered))
        self.refresh()

    def _first_frame(self, image: Image) -> int:
        """The session's slice; of a picture beside it that of its first lesion, else the middle one."""
        if image.id == self._session.image_id:
            return self._session.frame
        frames = [lesion.frame for lesion in self._session.reads.lesions(image.id)] if image.frames > 1 else []
        return frames[0] if frames else image.frames // 2

    def _turn(self, view: MammogramView, frame: int) -> None:
        """The wheel, a key or the slider asks for a slice of the picture in a view, which is then worked in."""
        views = self.hanging_view.views
        if self._images and view in views:
            self.hanging_view.activate(views.index(view))
            self._session.show_frame(frame)

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

    def _point(self, view: MammogramView, reading: PixelProbe | None) -> None:
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

    def _take(self, shown: LoadedPicture) -> None:
        place = self._place(shown.image.id)
        if place is None:
            return
        if shown.frame != self._frames.get(shown.image.id):
            return
        turned = shown.image.id in self._shown
        self._shown[shown.image.id] = shown
        if turned:
            self.hanging_view.views[place].exchange_picture(shown.picture)
        else:
            self.hanging_view.put(place, shown.picture)
            self._show_as_left(place, shown.image.id)
        if shown.image.id == self._session.image_id:
            self.ready.emit(shown)
            self.pictures.prepare(*_slices_beside(shown))

    def read_again(self, image_id: str) -> None:
        """After side, view or patient of an image was corrected: what hangs may hang otherwise."""
        self.pictures.forget(image_id)
        if self._session.image_id is not None:
            self._hang(self._session.image_id)

    def remember(self) -> None:
        """Keep how the pictures that hang are seen now."""
        for view, image in zip(self.hanging_view.views, self._images, strict=False):
            self.seen.remember(image.id, view)

    def _show_as_left(self, place: int, image_id: str) -> None:
        """Show the picture with its last view; a new picture at its lesion, where the user wants that."""
        view, alone = self.hanging_view.views[place], len(self._images) == 1
        known = self.seen.recall(image_id, view, window_only=not alone)
        if not known and alone and image_id == self._session.image_id:
            self.show_lesion_of_new_case()

    def show_lesion_of_new_case(self) -> None:
        """Zoom to the chosen lesion, if the user wants cases opened there."""
        if self._session.lesion_id is not None and opens_at_lesion():
            self.view.show_box(self._session.reads.lesion(self._session.lesion_id).box)

    def _lose(self, image_id: str, sentence: str) -> None:
        place = self._place(image_id)
        if place is not None:
            self.hanging_view.put(place, None, tr("This image cannot be shown.") + "\n" + sentence)


def _slices_beside(shown: LoadedPicture) -> list[Key]:
    near = (shown.frame - 1, shown.frame + 1)
    return [(shown.image.id, frame) for frame in near if 0 <= frame < shown.image.frames]


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
