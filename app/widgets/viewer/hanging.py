"""Several views side by side as they are hung: right beside left with the chest walls to the centre, CC above MLO,
at the same physical scale and with one zoom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import msgspec
from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent, QMouseEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from app.qt.colours import SURROUND
from app.widgets.viewer.bindings import Bindings, Drag
from app.widgets.viewer.corner_texts import chest_wall_on_right
from app.widgets.viewer.linking import display_for
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Display, Picture
from app.widgets.viewer.picture_view import FIT_BORDER
from app.widgets.viewer.pointing import Tool
from app.widgets.viewer.viewport import Viewport
from core.domain.geometry import Box
from core.domain.study import Image
from core.domain.vocabulary import Laterality, ViewPosition

Place = tuple[int, int]
"""Row and column."""
_COLUMN = {Laterality.RIGHT: 0, Laterality.LEFT: 1}
_ROW = {ViewPosition.CC: 0, ViewPosition.MLO: 1}


class Hung(Protocol):
    """Attributes that decide the place in a hanging."""

    @property
    def laterality(self) -> Laterality | None: ...
    @property
    def view(self) -> ViewPosition | None: ...


@dataclass(frozen=True, kw_only=True)
class Pane:
    """Picture in one place of a hanging, known before its pixels are."""

    box: Box
    spacing_mm: float | None = None
    laterality: Laterality | None = None
    view: ViewPosition | None = None
    caption: str = ""
    """Caption that distinguishes it from the others, such as the date of an earlier examination."""

    @classmethod
    def of(cls, image: Image, caption: str = "") -> Pane:
        return cls(
            box=image.box,
            spacing_mm=image.pixel_spacing_mm,
            laterality=image.laterality,
            view=image.view,
            caption=caption,
        )


def hang(pictures: Sequence[Hung]) -> tuple[Place, ...]:
    """Return the places of up to four pictures, without empty rows and columns.

    CC and MLO of one breast alone hang beside each other, since a screen is wider than it is high. If
    two pictures would share one place (a prior examination), or a side or view is unknown, they hang in reading
    order instead: up to two in one row, more in two rows of two.
    """
    if not 1 <= len(pictures) <= 4:
        raise ValueError(f"one to four pictures can be hung, not {len(pictures)}")
    places = [
        (_ROW[p.view], _COLUMN[p.laterality]) for p in pictures if p.view in _ROW and p.laterality is not None
    ]
    if len(set(places)) < len(pictures):
        return tuple((i // 2, i % 2) for i in range(len(pictures)))
    rows, columns = (sorted({place[axis] for place in places}) for axis in (0, 1))
    if len(columns) == 1:
        return tuple((0, rows.index(row)) for row, _ in places)
    return tuple((rows.index(row), columns.index(column)) for row, column in places)


class HangingView(QWidget):
    """One to four ``MammogramView``; the one that was last touched is the active one."""

    active_changed = Signal(object)
    """The ``MammogramView`` that the user works in now."""
    view_made = Signal(object)
    """A further ``MammogramView``, before it is shown."""
    window_changed = Signal(object)
    """The ``Display`` of the active view."""
    tool_changed = Signal(object)
    """The ``Tool`` of the active view."""
    cursor_moved = Signal(object, object)
    """The view that the pointer is in, and its ``Reading`` or None."""
    announced = Signal(str)
    """Result of drawing with keys in one of the views."""
    menu_requested = Signal(QPoint, object)
    """Place on the screen, and the image point there."""
    page_requested = Signal(object)
    """Steps, as an int."""
    slice_requested = Signal(object, object)
    """The view, and the slice that is requested in it."""

    def __init__(
        self, make_view: Callable[[], MammogramView] = MammogramView, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._make_view = make_view
        self._views: list[MammogramView] = []
        self._panes: tuple[Pane | None, ...] = (None,)
        self._active = 0
        self._linking = False
        self._fitted = True
        self._seen: dict[MammogramView, Viewport] = {}
        self._bindings = Bindings()
        self._screen: tuple[float | None, bool] = (None, False)
        self._smooth = True
        self.linked = True
        """Flag: zooming one view zooms the others."""
        self.windows_linked = False
        """Flag: windowing one view windows the others."""
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, SURROUND)
        self.setPalette(palette)
        self.setAutoFillBackground(True)
        # the layout gives the views their sizes after this widget has its own
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._refit)
        self._add_view()
        self._grid.addWidget(self._views[0], 0, 0)

    @property
    def views(self) -> tuple[MammogramView, ...]:
        """Those in use, in the order of the panes."""
        return tuple(self._views[: len(self._panes)])

    @property
    def active(self) -> MammogramView:
        return self._views[self._active]

    def arrange(self, panes: Sequence[Pane], active: int = 0) -> None:
        """Hang one to four panes, empty until ``put``; without any, one empty view is left."""
        places = hang(panes) if panes else ((0, 0),)
        focused = any(view.hasFocus() for view in self._views)
        self._panes = tuple(panes) or (None,)
        while len(self._views) < len(places):
            self._add_view()
        self._place(places)
        for view, pane in zip(self.views, self._panes, strict=True):
            view.set_picture(None)
            view.caption = "" if pane is None else pane.caption
        self._fitted = True
        self._active = -1
        self.activate(active)
        if focused:
            self.active.setFocus()
        self._later.start()

    def put(self, index: int, picture: Picture | None, message: str = "") -> None:
        """The picture of a pane, or why there is none (yet)."""
        view = self._views[index]
        view.message = message
        view.set_picture(picture)
        if self._fitted:
            self.fit()

    def activate(self, index: int) -> None:
        changed, self._active = index != self._active, index
        for number, view in enumerate(self._views):
            framed = number == index and len(self._panes) > 1
            if framed != view.framed:
                view.framed = framed
                view.update()
        if changed:
            view = self._views[index]
            self.active_changed.emit(view)
            if view.display is not None:
                self.window_changed.emit(view.display)

    def set_bindings(self, bindings: Bindings) -> None:
        self._bindings = bindings
        for view in self._views:
            view.bindings = bindings

    def set_screen(self, mm: float | None, *, calibrated: bool) -> None:
        """Millimetres in a device pixel of this screen, and whether it shows the GSDF."""
        self._screen = (mm, calibrated)
        for view in self._views:
            view.real_size_mm, view.calibrated = mm, calibrated
            view.update()

    def fit(self) -> None:
        """Every breast whole, all at the same physical scale, chest walls to the centre."""
        self._fitted = True
        if len(self._panes) == 1:
            self.active.fit()
            return
        shown = [
            (view, pane, view.fit_box or pane.box)
            for view, pane in zip(self.views, self._panes, strict=True)
            if pane is not None
        ]
        # millimetres in a device pixel that every view can afford
        mm = max(
            _millimetres(pane) / view.viewport.showing(box, border=FIT_BORDER).zoom for view, pane, box in shown
        )
        self._linking = True
        for view, pane, box in shown:
            if view.picture is not None:
                port = view.viewport.showing(box).at_zoom(_millimetres(pane) / mm)
                view.set_viewport(self._to_the_centre(pane, port, box))
        self._linking = False

    def fit_breast(self, *, whole_picture: bool = False) -> None:
        """``fit`` to the breasts, or to the pictures with the air beside them, from now on."""
        for view in self._views:
            view.fits_breast = not whole_picture
        self.fit()

    def set_smooth(self, smooth: bool) -> None:
        """Set the interpolation of enlarged pixels, in every view."""
        self._smooth = smooth
        for view in self._views:
            view.set_smooth(smooth)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._later.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched not in self._views:
            return super().eventFilter(watched, event)
        index = self._views.index(watched)
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseButtonPress:
            came = index != self._active
            self.activate(index)
            # the first press only says which picture is meant: nothing is drawn by accident
            return came and self._bindings.drag_of(event.button()) is Drag.TOOL
        if isinstance(event, QFocusEvent) and event.gotFocus() and event.reason() in _BY_KEY:
            self.activate(index)
        return super().eventFilter(watched, event)

    def _place(self, places: Sequence[Place]) -> None:
        for view in self._views:
            self._grid.removeWidget(view)
            view.setVisible(False)
        for number, (view, place) in enumerate(zip(self.views, places, strict=True)):
            self._grid.addWidget(view, *place)
            view.has_notice = number == 0
            view.setVisible(True)
        for line in range(2):
            self._grid.setRowStretch(line, int(any(place[0] == line for place in places)))
            self._grid.setColumnStretch(line, int(any(place[1] == line for place in places)))

    def _add_view(self) -> None:
        view = self._make_view()
        view.setParent(self)
        view.bindings = self._bindings
        view.real_size_mm, view.calibrated = self._screen
        view.set_smooth(self._smooth)
        if self._views:
            view.fits_breast = self._views[0].fits_breast
        view.viewport_changed.connect(partial(self._follow, view))
        view.window_changed.connect(partial(self._follow_window, view))
        view.tool_changed.connect(partial(self._tell_tool, view))
        view.page_requested.connect(self.page_requested)
        view.slice_requested.connect(lambda frame: self.slice_requested.emit(view, frame))
        view.menu_requested.connect(lambda place, at: self.menu_requested.emit(view.mapToGlobal(place), at))
        view.cursor_moved.connect(lambda reading: self.cursor_moved.emit(view, reading))
        view.announced.connect(self.announced)
        view.peeked.connect(self._peek)
        view.installEventFilter(self)
        if self._views:
            self.setTabOrder(self._views[-1], view)
        self._views.append(view)
        self.view_made.emit(view)

    def _tell_tool(self, view: MammogramView, tool: Tool) -> None:
        if view is self.active:
            self.tool_changed.emit(tool)

    def _peek(self, peeking: bool) -> None:
        for view in self.views:
            view.set_peeking(peeking)

    def _refit(self) -> None:
        if self._fitted:
            self.fit()

    def _follow(self, leader: MammogramView, viewport: Viewport) -> None:
        """A view zoomed: the others show as many millimetres in a pixel."""
        if leader not in self.views:
            return
        before, self._seen[leader] = self._seen.get(leader), viewport
        resized = before is not None and (before.zoom, before.centre) == (viewport.zoom, viewport.centre)
        if self._linking or resized or leader.is_fitted:
            return
        self._fitted = False
        if not self.linked:
            return
        mm = _spacing(leader) / viewport.zoom
        self._linking = True
        for view in self.views:
            if view is not leader and view.picture is not None:
                view.set_viewport(view.viewport.at_zoom(_spacing(view) / mm))
        self._linking = False

    def _follow_window(self, leader: MammogramView, display: Display) -> None:
        if leader is self.active:
            self.window_changed.emit(display)
        if self._linking or not self.windows_linked or leader not in self.views or leader.picture is None:
            return
        self._linking = True
        for view in self.views:
            if view is not leader and view.picture is not None:
                view.set_display(display_for(view.picture, display, leader.picture))
        self._linking = False

    def _to_the_centre(self, pane: Pane, port: Viewport, box: Box) -> Viewport:
        """With the chest wall, an edge of ``box``, at the edge of the view that is towards the other breast."""
        if pane.laterality is None or len({self._column(view) for view in self.views}) < 2:
            return port
        half = port.width / 2 / port.zoom
        x, y = port.centre
        x = box.x1 - half if chest_wall_on_right(pane) else box.x0 + half
        return msgspec.structs.replace(port, centre=(x, y))

    def _column(self, view: MammogramView) -> int:
        position = self._grid.getItemPosition(self._grid.indexOf(view))
        return int(position[1])  # type: ignore[index]


_BY_KEY = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


def _millimetres(pane: Pane) -> float:
    """In a pixel; an image without a spacing is taken as it is beside the others."""
    return pane.spacing_mm or 1.0


def _spacing(view: MammogramView) -> float:
    picture = view.picture
    return 1.0 if picture is None or picture.spacing_mm is None else picture.spacing_mm
