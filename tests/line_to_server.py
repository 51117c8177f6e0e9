"""A line to a server on loopback that is as slow as a distant one, and that can be cut for a while."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from types import TracebackType
from typing import Self

_CHUNK = 65_536


class SlowLine:
    """Forwards a port of loopback to another; ``round_trip_s`` is the time that an answer takes more."""

    def __init__(self, target: int, *, round_trip_s: float = 0.0) -> None:
        self._target = target
        self.round_trip_s = round_trip_s
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._whole = threading.Event()
        self._whole.set()
        self._open: list[socket.socket] = []

    def cut(self) -> None:
        """Nothing passes from now on, and nobody is told, as when a cable is pulled."""
        self._whole.clear()

    def mend(self) -> None:
        """What was said meanwhile passes, as TCP sends it again."""
        self._whole.set()

    def drop(self) -> None:
        """Cut, and end every connection, as a router that starts again does."""
        self.cut()
        opened, self._open = self._open, []
        for one in opened:
            _end(one)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._whole.set()
        for one in (self._server, *self._open):
            _end(one)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._open += [caller, server]
            for source, target in ((caller, server), (server, caller)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                passing: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=self._take, args=(source, passing), daemon=True).start()
                threading.Thread(target=self._bring, args=(passing, source, target), daemon=True).start()

    def _take(self, source: socket.socket, passing: queue.SimpleQueue[tuple[float, bytes]]) -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = source.recv(_CHUNK)
            except OSError:
                chunk = b""
            passing.put((time.monotonic() + self.round_trip_s / 2, chunk))

    def _bring(
        self, passing: queue.SimpleQueue[tuple[float, bytes]], source: socket.socket, target: socket.socket
    ) -> None:
        while True:
            due, chunk = passing.get()
            time.sleep(max(due - time.monotonic(), 0.0))
            self._whole.wait()
            try:
                if not chunk:
                    break
                target.sendall(chunk)
            except OSError:
                break
        _end(source)
        _end(target)


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
