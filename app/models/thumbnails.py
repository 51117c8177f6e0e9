"""Thumbnails by image id, made beside the window's thread; what scrolled away is forgotten."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from app.qt.background import Background, Outcome
from app.session import Session

_KEPT = 400
_WAITING = 24


class Thumbnails(QObject):
    ready = Signal()

    def __init__(self, session: Session, side: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._side = side
        self._made: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._maker = Background(self, name="thumbnails", most=_WAITING)
        self._maker.done.connect(self._take)

    def get(self, image_id: str) -> QPixmap | None:
        """The picture, or None where it is not there yet (``ready`` follows) or cannot be made."""
        if image_id in self._made:
            self._made.move_to_end(image_id)
            return self._made[image_id]
        if self._session.is_open:
            reads, side = self._session.reads, self._side
            self._maker.submit(image_id, lambda: reads.thumbnail(image_id, side))
        return None

    def clear(self) -> None:
        """Before the study closes."""
        self._maker.drain()
        self._made.clear()

    def stop(self) -> None:
        self._maker.stop()

    def _take(self, outcome: Outcome) -> None:
        picture: QPixmap | None = None
        if outcome.error is None:
            grey: Any = outcome.value
            rows, columns = grey.shape
            shared = QImage(grey.data, columns, rows, grey.strides[0], QImage.Format.Format_Grayscale8)
            picture = QPixmap.fromImage(shared.copy())
        self._made[str(outcome.key)] = picture
        while len(self._made) > _KEPT:
            self._made.popitem(last=False)
        self.ready.emit()
