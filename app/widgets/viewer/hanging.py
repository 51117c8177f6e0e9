"""Several views side by side as they are hung: right beside left with the chest walls to the centre, CC above MLO,
at the same physical scale and with one zoom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from PySide6.QtCore import QEvent, QObject, QTimer, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from app.qt.colours import SURROUND
from app.widgets.viewer.corner_texts import chest_wall_on_right
from app.widgets.viewer.mammogram_view import MammogramView
from app.widgets.viewer.picture import Picture
from app.widgets.viewer.picture_view import FIT_BORDER
from app.widgets.viewer.viewport import Viewport
from core.domain.vocabulary import Laterality, ViewPosition

Place = tuple[int, int]
"""Row and column."""
_COLUMN = {Laterality.RIGHT: 0, Laterality.LEFT: 1}
_ROW = {ViewPosition.CC: 0, ViewPosition.MLO: 1}


def hang(pictures: Sequence[Picture]) -> tuple[Place, ...]:
    """Where each of up to four pictures hangs, without empty rows and columns.

    Where two pictures would hang in one place (a prior examination) or a side or view is unknown, they hang in
    reading order instead: up to two in one row, more in two rows of two.
    """
    if not 1 <= len(pictures) <= 4:
        raise ValueError(f"one to four pictures can be hung, not {len(pictures)}")
    places = [
        (_ROW[p.view], _COLUMN[p.laterality]) for p in pictures if p.view in _ROW and p.laterality is not None
    ]
    if len(set(places)) < len(pictures):
        return tuple((i // 2, i % 2) for i in range(len(pictures)))
    rows, columns = (sorted({place[axis] for place in places}) for axis in (0, 1))
    return tuple((rows.index(row), columns.index(column)) for row, column in places)


class HangingView(QWidget):
    """One to four ``MammogramView``; the one that was last touched is the active one."""

    active_changed = Signal(object)
    """The ``MammogramView`` that the user works in now."""

    def __init__(
        self, make_view: Callable[[], MammogramView] = MammogramView, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._make_view = make_view
        self._views: list[MammogramView] = []
        self._shown = 0
        self._active = 0
        self._linking = False
        self._fitted = True
        self._seen: dict[MammogramView, Viewport] = {}
        self.linked = True
        """Whether zooming one view zooms the others."""
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, SURROUND)
        self.setPalette(palette)
        self.setAutoFillBackground(True)
        # the layout gives the views their sizes after this widget has its own
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(0)
        self._later.timeout.connect(self._refit)

    @property
    def views(self) -> tuple[MammogramView, ...]:
        """Those in use, in the order of the pictures."""
        return tuple(self._views[: self._shown])

    @property
    def active(self) -> MammogramView | None:
        return self._views[self._active] if 0 <= self._active < self._shown else None

    def set_pictures(self, pictures: Sequence[Picture]) -> None:
        """Hang one to four pictures; the first one's view becomes the active one."""
        places = hang(pictures)
        while len(self._views) < len(pictures):
            self._add_view()
        self._shown = len(pictures)
        for view in self._views:
            self._grid.removeWidget(view)
            view.setVisible(False)
        for index, (picture, place) in enumerate(zip(pictures, places, strict=True)):
            view = self._views[index]
            self._grid.addWidget(view, *place)
            view.set_picture(picture)
            view.has_notice = index == 0
            view.setVisible(True)
        for row in range(2):
            self._grid.setRowStretch(row, int(any(place[0] == row for place in places)))
            self._grid.setColumnStretch(row, int(any(place[1] == row for place in places)))
        self._active = -1
        self._set_active(0)
        self._fitted = True
        self._later.start()

    def fit(self) -> None:
        """Every picture whole, all at the same physical scale, chest walls to the centre."""
        views = self.views
        if not views:
            return
        wholes = [(_spacing(v), v.viewport, v.picture) for v in views]
        # millimetres in a device pixel that every view can afford
        mm = max(
            spacing / port.showing(picture.box, border=FIT_BORDER).zoom
            for spacing, port, picture in wholes
            if picture is not None
        )
        self._linking = True
        for view in views:
            if view.picture is not None:
                port = view.viewport.showing(view.picture.box).at_zoom(_spacing(view) / mm)
                view.set_viewport(self._to_the_centre(view, view.picture, port))
        self._linking = False
        self._fitted = True

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._later.start()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.FocusIn) and watched in self._views:
            self._set_active(self._views.index(watched))
        return super().eventFilter(watched, event)

    def _add_view(self) -> None:
        view = self._make_view()
        view.setParent(self)
        view.viewport_changed.connect(self._follow)
        view.installEventFilter(self)
        self._views.append(view)

    def _set_active(self, index: int) -> None:
        changed, self._active = index != self._active, index
        for number, view in enumerate(self._views):
            framed = number == index and self._shown > 1
            if framed != view.framed:
                view.framed = framed
                view.update()
        if changed:
            self.active_changed.emit(self._views[index])

    def _refit(self) -> None:
        if self._fitted:
            self.fit()

    def _follow(self, viewport: Viewport) -> None:
        """A view zoomed: the others show as many millimetres in a pixel."""
        leader = self.sender()
        if not isinstance(leader, MammogramView) or leader not in self.views:
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

    def _to_the_centre(self, view: MammogramView, picture: Picture, port: Viewport) -> Viewport:
        """With the picture's chest wall at the edge of the view that is towards the other breast."""
        if len({self._grid.getItemPosition(self._grid.indexOf(v))[1] for v in self.views}) < 2:  # type: ignore[index]
            return port
        half = port.width / 2 / port.zoom
        x, y = port.centre
        x = picture.box.x1 - half if chest_wall_on_right(picture) else picture.box.x0 + half
        return msgspec.structs.replace(port, centre=(x, y))


def _spacing(view: MammogramView) -> float:
    """Millimetres in a pixel; a picture without a spacing is taken as it is beside the others."""
    picture = view.picture
    return 1.0 if picture is None or picture.spacing_mm is None else picture.spacing_mm
