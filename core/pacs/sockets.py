"""The sockets of associations, closed for certain: the library leaves one open where the other side went first."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from pynetdicom import evt


class Sockets:
    """Give ``handler`` to an association or server, and ``close`` when it is over."""

    def __init__(self) -> None:
        self._open: list[tuple[Any, socket.socket]] = []
        self._lock = threading.Lock()
        self.handler = (evt.EVT_CONN_OPEN, self._take)

    def _take(self, event: Any) -> None:
        association = event.assoc
        with self._lock:
            over = [known for known in self._open if not known[0].is_alive()]
            self._open = [known for known in self._open if known not in over]
            self._open.append((association, association.dul.socket.socket))
        _close(over)

    def close(self) -> None:
        with self._lock:
            everything, self._open = self._open, []
        _close(everything)


def _close(known: list[tuple[Any, socket.socket]]) -> None:
    for _, one in known:
        with suppress(OSError):
            one.close()
