"""A widget that shows one picture: how it is windowed, and which part of it is seen."""

from __future__ import annotations

import math
from dataclasses import replace

from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.qt.colours import SURROUND
from app.qt.translation import tr
from app.widgets.viewer.picture import Display, Picture, UInt8, Voi
from app.widgets.viewer.renderer import Renderer
from app.widgets.viewer.view_transform import ViewTransform
from app.widgets.viewer.viewport import Viewport
from core.domain.geometry import Box, Point

FIT_BORDER = 0.01
"""Share of the picture's size that is left free around it when it is shown as a whole."""
_REST_MS = 90
"""After the last zoom everything is painted in full once more."""


class PictureView(QWidget):
    viewport_changed = Signal(object)
    """The new ``Viewport``."""
    window_changed = Signal(object)
    """The new ``Display``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(160, 120)
        self.real_size_mm: float | None = None
        """Millimetres of the screen in one of its device pixels, measured by the user; None before that."""
        self._picture: Picture | None = None
        self._renderer: Renderer | None = None
        self._display: Display | None = None
        self._table: UInt8 | None = None
        self._viewport = Viewport(width=1, height=1, zoom=1.0, centre=(0.0, 0.0))
        self._frame: QImage | None = None
        self._fitted = True
        self.fits_breast = True
        """Flag: ``fit`` shows the breast alone, without the air beside it; else the whole picture."""
        self._smooth = True
        self._pan_rest = (0.0, 0.0)
        self._zooming = QTimer(self, singleShot=True, interval=_REST_MS)
        self._zooming.timeout.connect(self.zoom_rests)

    # the picture

    @property
    def picture(self) -> Picture | None:
        return self._picture

    def set_picture(self, picture: Picture | None, display: Display | None = None) -> None:
        """Show this picture as a whole, with its first VOI choice or with ``display``."""
        self._picture = picture
        self._renderer = None if picture is None else self._make_renderer(picture)
        self._fitted = True
        if picture is None:
            self._display = self._table = None
            self.setAccessibleDescription(tr("No image"))
        else:
            self.setAccessibleDescription(picture.title)
            self.set_display(display or Display(voi=picture.choices[0]))
            self.fit()
        self._redraw()

    def exchange_picture(self, picture: Picture) -> None:
        """Show another slice of what is shown: the window stays, and which part of it is seen."""
        self._picture, self._renderer = picture, self._make_renderer(picture)
        if self._display is not None:
            self._table = self._display.table(picture)
        self._redraw()

    @property
    def display(self) -> Display | None:
        return self._display

    @property
    def table(self) -> UInt8 | None:
        """From stored values to the grey values on screen."""
        return self._table

    def set_display(self, display: Display) -> None:
        if self._picture is None:
            return
        self._display = display
        self._table = display.table(self._picture)
        self._redraw()
        self.window_changed.emit(display)

    def set_voi(self, voi: Voi) -> None:
        if self._display is not None:
            self.set_display(replace(self._display, voi=voi))

    def invert(self) -> None:
        if self._display is not None:
            self.set_display(replace(self._display, inverted=not self._display.inverted))

    def drag_window(self, dx: float, dy: float) -> None:
        if self._display is not None:
            self.set_display(self._display.dragged(dx, dy))

    # where it is seen

    @property
    def viewport(self) -> Viewport:
        return self._viewport

    @property
    def sight(self) -> ViewTransform:
        return ViewTransform(self._viewport, self.devicePixelRatioF(), moving=self._zooming.isActive())

    @property
    def is_fitted(self) -> bool:
        """True if the whole picture is shown because no other view was requested."""
        return self._fitted

    def set_viewport(self, viewport: Viewport) -> None:
        """Set a viewport of any size: the view keeps its own size."""
        self._see(viewport, fitted=False)

    @property
    def fit_box(self) -> Box | None:
        """Return the box that ``fit`` shows: the breast, or the whole picture."""
        if self._picture is None:
            return None
        return (self._picture.breast if self.fits_breast else None) or self._picture.box

    def fit(self) -> None:
        """Show ``fit_box`` as large as it goes, also after the view changes its size, until the user zooms or
        pans."""
        box = self.fit_box
        if box is not None:
            self._see(self._sized(self._viewport).showing(box, border=FIT_BORDER), fitted=True)

    def set_smooth(self, smooth: bool) -> None:
        """Set the interpolation of enlarged pixels; without it each is a square."""
        self._smooth = smooth
        if self._renderer is not None:
            self._renderer.set_smooth(smooth)
            self._redraw()

    def _make_renderer(self, picture: Picture) -> Renderer:
        renderer = Renderer(picture.levels)
        renderer.set_smooth(self._smooth)
        return renderer

    def show_box(self, box: Box, *, border: float = 0.5) -> None:
        self.set_viewport(self._sized(self._viewport).showing(box, border=border))

    def one_to_one(self) -> None:
        """One pixel of the image on one of the screen."""
        self.set_viewport(self._viewport.at_zoom(1.0))

    def real_size(self) -> bool:
        """Show the breast at its real size; return False if the screen or the image has no known spacing."""
        if self._picture is None or self._picture.spacing_mm is None or self.real_size_mm is None:
            return False
        self.set_viewport(self._viewport.at_zoom(self._picture.spacing_mm / self.real_size_mm))
        return True

    def pan_by(self, dx: float, dy: float) -> None:
        """Logical pixels. Whole device pixels are panned, so that little is resampled; the rest is kept."""
        ratio = self.devicePixelRatioF()
        wish = (dx * ratio + self._pan_rest[0], dy * ratio + self._pan_rest[1])
        whole = (round(wish[0]), round(wish[1]))
        self._pan_rest = (wish[0] - whole[0], wish[1] - whole[1])
        self.set_viewport(self._viewport.panned(*whole))

    def zoom_by(self, factor: float, at: QPointF) -> None:
        ratio = self.devicePixelRatioF()
        self._zooming.start()
        self.set_viewport(self._viewport.zoomed(factor, (at.x() * ratio, at.y() * ratio)))

    def zoom_rests(self) -> None:
        """Paint in full the parts that were painted roughly during the zoom."""
        self._zooming.stop()
        self._redraw()

    def to_image(self, place: QPointF) -> Point:
        return self.sight.to_image(place)

    # for the subclass and Qt

    def paint_picture(self, painter: QPainter, sight: ViewTransform) -> bool:
        """The windowed picture; False, with nothing painted, where there is none."""
        if self._renderer is None or self._table is None:
            return False
        if self._frame is None:
            self._frame = self._renderer.render(
                self._viewport, self._table, SURROUND.lightness(), rough=sight.moving
            )
        with sight.device_pixels(painter):
            painter.drawImage(0, 0, self._frame)
        return True

    def sizeHint(self) -> QSize:
        return QSize(800, 1000)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._take_size()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._take_size()
        return super().event(event)

    def _see(self, viewport: Viewport, *, fitted: bool) -> None:
        self._fitted = fitted
        viewport = self._sized(viewport)
        if viewport != self._viewport:
            self._viewport = viewport
            self._redraw()
            self.viewport_changed.emit(viewport)

    def _sized(self, viewport: Viewport) -> Viewport:
        """With this widget's size; where it ends within a device pixel, that pixel is painted too."""
        ratio = self.devicePixelRatioF()
        return viewport.resized(math.ceil(self.width() * ratio - 1e-6), math.ceil(self.height() * ratio - 1e-6))

    def _take_size(self) -> None:
        if self._fitted and self._picture is not None:
            self.fit()
        else:
            self.set_viewport(self._viewport)
        self._redraw()

    def _redraw(self) -> None:
        self._frame = None
        self.update()
