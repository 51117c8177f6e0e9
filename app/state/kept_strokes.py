"""Strokes that the server of a shared study has not confirmed: kept on this computer, and sent when it is back."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer, Signal

from app.qt.background import Background, WorkResult
from core.domain.errors import MarginaliaError
from core.domain.shapes import Shape
from core.store.outbox import Outbox, send_all
from core.store.study import Study

_RETRY_MS = 3000


class KeptStrokes(QObject):
    """Sends from a thread of its own: the pen never waits for the server while something is kept."""

    changed = Signal(int)
    """How many strokes are still to be sent."""
    sent = Signal(tuple)
    """Ids of the lesions whose strokes are at the server now."""

    def __init__(self, study: Study, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._study = study
        self._outbox = Outbox(study.info.id)
        self.waiting = self._outbox.waiting
        self._closed = False
        self._sender = Background(self, name="kept strokes")
        self._sender.done.connect(self._take)
        self._retry = QTimer(self, interval=_RETRY_MS)
        self._retry.timeout.connect(self._send)
        if self.waiting:
            self._retry.start()

    def keep(self, lesion_id: str, reader_id: str, shapes: tuple[Shape, ...]) -> None:
        """Keep the reader's shapes; when this returns, they are on the disk. StorageFullError without room."""
        self._outbox.put(lesion_id, reader_id, self._study.actor, shapes)
        self.waiting += 1
        self._retry.start()
        self.changed.emit(self.waiting)

    def close(self) -> None:
        """Before the study is closed. What is kept stays kept, and is sent when the study is open again."""
        self._closed = True
        self._retry.stop()
        self._sender.drain()
        self._sender.stop()
        self._outbox.close()

    def _send(self) -> None:
        if self._sender.is_idle:
            self._sender.submit("send", lambda: _sent(self._study, self._outbox))

    def _take(self, result: WorkResult) -> None:
        if self._closed:
            return
        before, self.waiting = self.waiting, self._outbox.waiting
        if not self.waiting:
            self._retry.stop()
        if self.waiting != before:
            self.changed.emit(self.waiting)
        if isinstance(result.value, tuple) and result.value:
            self.sent.emit(result.value)


def _sent(study: Study, outbox: Outbox) -> tuple[str, ...]:
    """Lesions of which something was sent; () while the server cannot be reached."""
    try:
        return send_all(study, outbox)
    except MarginaliaError:
        return ()
