"""A lesion in its mammogram, large: the viewer's own zoom, window and inversion, with the activation map over it.

Until the mammogram is read, the region that the network saw stands in the same place and size, so that nothing
moves when the mammogram comes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtWidgets import QWidget

from app.qt.translation import tr
from app.widgets.explain.input_frame import InputSight, input_box, sight_of, viewport_of
from app.widgets.explain.map_layer import MapLayer
from app.widgets.viewer.bindings import Bindings, Drag, Wheel
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Display, Picture, replace_explanation
from core.domain.geometry import IDENTITY, Affine, Box
from core.domain.study import Window
from core.imaging.display import default_window
from core.store.arrays import pyramid

LOOKING = Bindings(left=Drag.PAN, middle=Drag.PAN, right=Drag.WINDOW, wheel=Wheel.ZOOM)
"""Nothing is drawn here: the left button moves the picture."""
_AT_REST = 0.01


class LesionView(MammogramView):
    pointed = Signal(object)
    """Position of the pointer, as a ``QPointF`` in pixels of the network's input; None when it leaves."""
    moved = Signal(object)
    """The ``InputSight`` that is shown now, after the user zoomed or moved the picture."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.bindings = LOOKING
        self.setMinimumSize(200, 200)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.map = MapLayer()
        self.layers.append(self.map)
        self._to_input: Affine = IDENTITY
        self._side = 1
        self._following = False
        self._whole = False
        self.is_mammogram = False
        """Flag: the mammogram is shown; False while only its region is, as the network read it."""
        self.viewport_changed.connect(self._tell_move)
        self.cursor_moved.connect(self._tell_pointer)

    # what is shown

    def show_region(self, pixels: NDArray[np.uint8], title: str = "") -> None:
        """Another lesion: the region (I, I) that the network read, until its mammogram comes."""
        picture = Picture(
            levels=tuple(pyramid(np.ascontiguousarray(pixels))),
            choices=(Window(centre=127.5, width=255.0, explanation=tr("as the network reads it")),),
            title=title,
        )
        self._side, self._to_input, self._whole = pixels.shape[0], IDENTITY, False
        self.is_mammogram = False
        self.map.set_place(IDENTITY, self._side)
        self._take(picture, Display(voi=picture.choices[0]))
        self.show_lesion()

    def show_mammogram(self, picture: Picture, image_to_input: Affine) -> None:
        """The mammogram in the place of its region, at the same part and size; windowed for the lesion."""
        seen, whole = self.input_sight, self._whole
        self._to_input, self.is_mammogram = image_to_input, True
        self.map.set_place(image_to_input, self._side)
        window = lesion_window(picture, input_box(self._side, image_to_input))
        self._take(picture, Display(voi=window))
        if whole:
            self.show_whole()
        else:
            self.follow(seen)

    def show_nothing(self, message: str = "") -> None:
        self.message = message
        self.set_picture(None)
        self.map.heat, self.map.lines, self.map.frames = None, (), ()
        self.update()

    def show_cross(self, at: QPointF | None) -> None:
        """A crosshair at a point of the network's input."""
        self.map.cross = at
        self.update()

    # where it is seen

    @property
    def input_sight(self) -> InputSight:
        return sight_of(self.viewport, self._to_input)

    @property
    def shows_whole(self) -> bool:
        """True if the whole mammogram is shown on request."""
        return self._whole

    def follow(self, sight: InputSight) -> None:
        """Show this part of the input, as another view does."""
        if self.picture is None:
            return
        self._whole, self._following = False, True
        self.set_viewport(viewport_of(sight, self.viewport, self._to_input))
        self._following = False

    def show_lesion(self) -> None:
        """The region that the network saw fills the view."""
        if self.picture is not None:
            self._whole = False
            self.show_box(input_box(self._side, self._to_input), border=_AT_REST)

    def show_whole(self) -> None:
        if self.picture is not None:
            self._whole, self._following = True, True
            self.fit()
            self._following = False

    def _take(self, picture: Picture, display: Display) -> None:
        self._following = True
        self.set_picture(picture, display)
        self._following = False

    def _take_size(self) -> None:
        """A view of another size shows the same region as large as it fits."""
        seen = self.viewport
        super()._take_size()
        if self.picture is not None and not self._whole and min(seen.width, seen.height) > 1:
            factor = min(self.viewport.width / seen.width, self.viewport.height / seen.height)
            if factor != 1:
                self.set_viewport(self.viewport.at_zoom(seen.zoom * factor))

    def _tell_move(self, _viewport: object) -> None:
        if not self._following and self.picture is not None:
            self.moved.emit(self.input_sight)

    def _tell_pointer(self, reading: object) -> None:
        at = getattr(reading, "at", None)
        if at is None:
            self.pointed.emit(None)
            return
        x, y = self._to_input(at)
        inside = 0 <= x <= self._side and 0 <= y <= self._side
        self.pointed.emit(QPointF(x, y) if inside else None)


def lesion_window(picture: Picture, box: Box) -> Window:
    """The window from the percentiles of the lesion's region, so that its margin has contrast; that of the whole
    picture where the region lies outside."""
    rows, columns = picture.levels[0].shape
    x0, y0 = max(int(box.x0), 0), max(int(box.y0), 0)
    part = picture.levels[0][y0 : min(int(box.y1) + 1, rows), x0 : min(int(box.x1) + 1, columns)]
    if not part.size:
        part = picture.levels[-1]
    window = default_window(
        part,
        (),
        "percentile",
        slope=picture.slope,
        intercept=picture.intercept,
        inverted=picture.inverted,
        padding=picture.padding,
    )
    return replace_explanation(window, tr("window of the lesion"))
