"""The connections of associations: guarded from the first byte on, few enough, and closed for certain.

The library leaves a socket open where the other side went first.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from pynetdicom import evt

from core.pacs.guard import Budget, Guard, Limits

MOST_CONNECTIONS = 24
"""One more takes the place of the one that was silent for the longest time."""


class Sockets:
    """Give ``handler`` to an association or server, and ``close`` when it is over."""

    def __init__(self, limits: Limits, *, budget: Budget | None = None, folder: Path | None = None) -> None:
        """``folder``: where objects are written while they come; None keeps them in memory."""
        self._limits, self._budget, self._folder = limits, budget, folder
        self._open: list[tuple[Any, socket.socket, Guard]] = []
        self._lock = threading.Lock()
        self.handler = (evt.EVT_CONN_OPEN, self._take)

    def _take(self, event: Any) -> None:
        association = event.assoc
        guard = Guard(association, self._limits, budget=self._budget, folder=self._folder)
        with self._lock:
            # one that has not begun is not alive either
            over = [known for known in self._open if known[0].ident is not None and not known[0].is_alive()]
            self._open = [known for known in self._open if known not in over]
            longest = sorted(self._open, key=lambda known: known[2].last_heard)
            silent = longest[: max(0, len(self._open) + 1 - MOST_CONNECTIONS)]
            self._open.append((association, association.dul.socket.socket, guard))
        for _, _, one in silent:
            one.close()
        _close(over)

    def ended(self, association: Any) -> None:
        """Delete what came of an object that an association did not finish."""
        with self._lock:
            guards = [guard for known, _, guard in self._open if known is association]
        for guard in guards:
            guard.ended()

    def close(self) -> None:
        with self._lock:
            everything, self._open = self._open, []
        _close(everything)


def _close(known: list[tuple[Any, socket.socket, Guard]]) -> None:
    for _, one, guard in known:
        guard.ended()
        with suppress(OSError):
            one.close()
