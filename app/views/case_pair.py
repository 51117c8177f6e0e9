"""Fills the two large pictures of Review and of a reader study, and links their zoom, place and cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.models.pictures import Key, LoadedPicture, Pictures
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.state.session import Session
from app.widgets.explain.heat import RECEPTIVE, HeatLook
from app.widgets.explain.input_frame import InputSight
from app.widgets.explain.lesion_view import LesionView
from app.widgets.explain.map_layer import Frame
from app.widgets.explain.panes import LesionPane, SourcePane
from app.widgets.explain.pictures import CasePictures, PatchLibrary
from app.widgets.viewer.picture import Picture
from core.domain.errors import MarginaliaError
from core.domain.geometry import Affine, Box

if TYPE_CHECKING:
    from core.explain.explanation import PrototypeRow

_STEP = 1.25
"""Zoom factor of one key press."""


class CasePair(QObject):
    """``lesion`` shows the case that is read; ``source`` the lesion of the chosen prototype in the same frame."""

    def __init__(self, session: Session, desk: ModelService, library: PatchLibrary, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._desk, self._library = session, desk, library
        self.lesion, self.source = LesionPane(), SourcePane()
        self.context = LesionView(tr("Whole mammogram"))
        """The mammogram of the lesion as a whole, with the region framed, for a blind reading."""
        self.context.has_notice = False
        self._images = Pictures(session, self)
        self._pictures: CasePictures | None = None
        self._places: dict[str, tuple[Key, Affine]] = {}
        """Slice of the mammogram and its transform to the network's input, for "lesion" and "source"."""
        self._patch: object = None
        self._images.ready.connect(self._take_image)
        self.lesion.view.moved.connect(self._follow_lesion)
        self.source.view.moved.connect(self._follow_source)
        for pane in (self.lesion, self.source):
            pane.view.pointed.connect(self._point)

    @property
    def pictures(self) -> CasePictures | None:
        """The case that is shown."""
        return self._pictures

    def show_case(self, pictures: CasePictures, *, blind: bool) -> None:
        """Show this case. ``blind``: the lesion alone, with nothing over it."""
        roi = pictures.panel.explanation.roi
        other = self._pictures is None or self._pictures.panel.explanation.roi.lesion_id != roi.lesion_id
        self._pictures = pictures
        if other:
            self.lesion.view.show_region(roi.pixels)
            self.context.show_nothing()
            self._patch = None
            self.source.show_patch(None, 0.0)
            self.source.view.show_nothing()
            self._places = {}
            self._locate("lesion", roi.lesion_id, roi.image_to_input)
            self._want()
        self.lesion.show_case(pictures, blind=blind)

    def show_nothing(self) -> None:
        self._pictures, self._patch, self._places = None, None, {}
        self.lesion.show_case(None, blind=True)
        self.lesion.view.show_nothing()
        self.context.show_nothing()
        self.source.show_patch(None, 0.0)
        self.source.view.show_nothing()

    def show_row(self, row: int | None) -> None:
        """Lay the map of a row of the explanation over the lesion; None for the plain picture."""
        self.lesion.show_row(row)

    def choose_row(self, row: int | None) -> None:
        """Show a row's prototype beside the lesion, and its map over both."""
        self.show_row(row)
        if row is None or self._pictures is None:
            return
        panel = self._pictures.panel
        shown = panel.rows[row]
        if shown.patch is None:
            self._patch = None
            self.source.show_patch(None, 0.0)
            self.source.view.show_nothing(tr("The picture of this prototype was not shared with the model."))
            return
        if shown.patch is self._patch:
            return
        self._patch = shown.patch
        self.source.view.show_region(shown.patch.source)
        self.source.show_patch(self._library.of(shown.patch), panel.highest)
        self.source.view.follow(self.lesion.view.input_sight)
        self._places.pop("source", None)
        frame = self._frame_of(shown.row)
        if frame is not None:
            self._locate("source", shown.patch.lesion_id, frame)
        self._want()

    def show_look(self, look: HeatLook) -> None:
        self.lesion.show_look(look)
        self.source.show_look(look)

    # by keys

    def toggle_whole(self) -> None:
        """The whole mammograms, or the lesions again."""
        if self.lesion.view.shows_whole:
            self.show_lesions()
        else:
            for pane in (self.lesion, self.source):
                pane.view.show_whole()

    def show_lesions(self) -> None:
        for pane in (self.lesion, self.source):
            pane.view.show_lesion()

    def invert(self) -> None:
        for pane in (self.lesion, self.source):
            pane.view.invert()

    def zoom(self, steps: int) -> None:
        view = self.lesion.view
        if view.picture is not None:
            view.set_viewport(view.viewport.at_zoom(view.viewport.zoom * _STEP**steps))

    # before the study closes

    def close(self) -> None:
        self.show_nothing()
        self._images.clear()
        self._images.stop()

    def stop(self) -> None:
        self._images.stop()

    # the mammograms

    def _frame_of(self, row: PrototypeRow) -> Affine | None:
        """Return the transform from the prototype's mammogram to its region; None if this study lacks the
        region."""
        model = self._desk.model
        if model is None or row.prototype is None:
            return None
        return model.opened.frame_of(row.prototype)

    def _locate(self, which: str, lesion_id: str, image_to_input: Affine) -> None:
        try:
            lesion = self._session.reads.lesion(lesion_id)
        except MarginaliaError:
            return  # of another study: the region stays
        self._places[which] = ((lesion.image_id, lesion.frame), image_to_input)

    def _want(self) -> None:
        self._images.want(*dict.fromkeys(key for key, _ in self._places.values()))

    def _take_image(self, shown: LoadedPicture) -> None:
        key = (shown.image.id, shown.frame)
        lesion = self._places.get("lesion")
        if lesion is not None and lesion[0] == key and self.context.picture is not shown.picture:
            self._show_context(shown.picture, lesion[1])
        for which, pane in (("lesion", self.lesion), ("source", self.source)):
            place = self._places.get(which)
            if place is not None and place[0] == key and not pane.view.is_mammogram:
                pane.view.show_mammogram(shown.picture, place[1])

    def _show_context(self, picture: Picture, image_to_input: Affine) -> None:
        assert self._pictures is not None
        side = self._pictures.side
        self.context.show_region(self._pictures.panel.explanation.roi.pixels)
        self.context.show_mammogram(picture, image_to_input)
        self.context.map.frames = [Frame(box=Box(x0=0, y0=0, x1=side, y1=side), colour=RECEPTIVE, dashed=True)]
        self.context.set_voi(picture.choices[-1])
        self.context.show_whole()

    # linked

    def _follow_lesion(self, sight: InputSight) -> None:
        self.source.view.follow(sight)

    def _follow_source(self, sight: InputSight) -> None:
        self.lesion.view.follow(sight)

    def _point(self, at: object) -> None:
        for pane in (self.lesion, self.source):
            pane.view.show_cross(at)  # type: ignore[arg-type]
