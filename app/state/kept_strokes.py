"""Strokes of a shared study: on this computer's disk at once, and at its server as soon as that answers."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from app.qt.background import Background, WorkResult
from core.domain.errors import MarginaliaError
from core.domain.shapes import Shape, decode_shapes
from core.store.outbox import Outbox, send_all
from core.store.study import Study

_RETRY_MS = 3000


class KeptStrokes(QObject):
    """Sends from a thread of its own, so that the pen never waits for the server."""

    changed = Signal()
    """Something was sent, or the server is gone or back."""
    sent = Signal(tuple)
    """Ids of the lesions whose strokes are at the server now."""

    def __init__(self, study: Study, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self._outbox = Outbox(study.info.id)
        self.waiting = self._outbox.waiting
        """How many strokes are still to be sent."""
        self.lost = False
        """True if the server could not be reached when they were last sent."""
        self._closed = False
        self._sender = Background(self, name="kept strokes")
        self._sender.done.connect(self._take)
        self._retry = QTimer(self, interval=_RETRY_MS, singleShot=True)
        self._retry.timeout.connect(self._send)
        if self.waiting:
            self._send()

    def keep(self, lesion_id: str, reader_id: str, shapes: tuple[Shape, ...]) -> None:
        """Keep the reader's shapes; when this returns, they are on the disk. StorageFullError without room."""
        self._outbox.put(lesion_id, reader_id, self._study.actor, shapes)
        self.waiting += 1
        if self.lost:
            self.changed.emit()
        else:
            self._send()

    def of(self, lesion_id: str, reader_id: str) -> list[tuple[Shape, ...]]:
        """Return what is not at the server yet of a reader's annotation, in the order of drawing."""
        mine = (one for one in self._outbox.all() if (one.lesion_id, one.reader_id) == (lesion_id, reader_id))
        return [decode_shapes(one.shapes) for one in mine if not one.refused]

    def send_now(self) -> bool:
        """Send what is kept and wait for it; False while the server cannot be reached."""
        self._sender.drain()
        found = _sent(self._study, self._outbox) if self._outbox.waiting else ()
        self.waiting, self.lost = self._outbox.waiting, found is None
        if found:
            self.sent.emit(found)
        return found is not None

    def close(self) -> None:
        """Send what can be sent before the study is closed; the rest is sent when the study is open again."""
        self._closed = True
        self._retry.stop()
        self._sender.drain()
        self._sender.stop()
        if not self.lost and self._outbox.waiting:
            _sent(self._study, self._outbox)
        self._outbox.close()

    def _send(self) -> None:
        if self._sender.is_idle:
            self._sender.submit("send", lambda: _sent(self._study, self._outbox))

    def _take(self, result: WorkResult) -> None:
        if self._closed:
            return
        lost, before = result.value is None, (self.waiting, self.lost)
        self.waiting, self.lost = self._outbox.waiting, lost
        if lost:
            self._retry.start()
        elif self.waiting:
            self._send()
        if before != (self.waiting, self.lost):
            self.changed.emit()
        if isinstance(result.value, tuple) and result.value:
            self.sent.emit(result.value)


def _sent(study: Study, outbox: Outbox) -> tuple[str, ...] | None:
    """Lesions of which something was sent; None while the server cannot be reached."""
    try:
        return send_all(study, outbox)
    except MarginaliaError:
        return None
