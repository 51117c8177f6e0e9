"""Thumbnails by image id, made beside the window's thread; what scrolled away is forgotten."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QImage, QPixmap

from app.qt.background import Background, WorkResult
from app.state.session import Session

_KEPT = 400
_WAITING = 24
_REST_MS = 30
"""A list that is scrolled asks for what it shows when it rests so long: making pictures of what is passing would
only make it jerk."""


class Thumbnails(QObject):
    ready = Signal()

    def __init__(self, session: Session, side: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._side = side
        self._made: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._maker = Background(self, name="thumbnails", most=_WAITING)
        self._maker.done.connect(self._take)
        self._wanted: OrderedDict[str, None] = OrderedDict()
        self._asked: frozenset[str] = frozenset()
        self._rest = QTimer(self, singleShot=True, interval=_REST_MS)
        self._rest.timeout.connect(self._ask)

    def get(self, image_id: str) -> QPixmap | None:
        """The picture, or None where it is not there yet (``ready`` follows) or cannot be made."""
        if image_id in self._made:
            self._made.move_to_end(image_id)
            return self._made[image_id]
        if image_id not in self._asked:
            self._wanted[image_id] = None
            self._wanted.move_to_end(image_id)
            self._rest.start()
        return None

    def _ask(self) -> None:
        """For what was painted last."""
        wanted = tuple(self._wanted)[-_WAITING:]
        self._wanted.clear()
        if not self._session.is_open:
            return
        reads, side = self._session.reads, self._side
        self._asked = frozenset(wanted)
        self._maker.submit_all([(one, partial(reads.thumbnail, one, side)) for one in wanted])

    def clear(self) -> None:
        """Before the study closes."""
        self._rest.stop()
        self._maker.drain()
        self._made.clear()
        self._wanted.clear()
        self._asked = frozenset()

    def stop(self) -> None:
        self._maker.stop()

    def _take(self, outcome: WorkResult) -> None:
        picture: QPixmap | None = None
        if outcome.error is None:
            grey: Any = outcome.value
            rows, columns = grey.shape
            shared = QImage(grey.data, columns, rows, grey.strides[0], QImage.Format.Format_Grayscale8)
            picture = QPixmap.fromImage(shared.copy())
        self._made[str(outcome.key)] = picture
        self._asked -= {str(outcome.key)}
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        self.ready.emit()
