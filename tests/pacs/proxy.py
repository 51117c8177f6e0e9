"""A way to a server on which the line can be cut in the middle of what the server, or the caller, says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from types import TracebackType
from typing import Self


class CutLine:
    """Forwards a port of loopback to another; breaks after ``down`` bytes to, or ``up`` bytes from the caller."""

    def __init__(
        self,
        target: int,
        *,
        port: int = 0,
        up: int | None = None,
        down: int | None = None,
        spared: int = 0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``spared`` connections stay whole. ``context``: encryption towards the caller."""
        self._spared = spared
        self._target, self._up, self._down, self._context = target, up, down, context
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.cuts = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._open:
            self._close(one)
        for thread in self._threads:
            thread.join(timeout=5)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return
            try:
                if self._context is not None:
                    caller = self._context.wrap_socket(caller, server_side=True)
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                self._close(caller)
                continue
            self._open += [caller, server]
            cut = self._spared <= 0
            self._spared -= 1
            self._start(self._pump, caller, server, self._up if cut else None)
            self._start(self._pump, server, caller, self._down if cut else None)

    def _pump(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        try:
            while chunk := source.recv(16_384):
                if limit is not None and passed + len(chunk) > limit:
                    target.sendall(chunk[: limit - passed])
                    self.cuts += 1
                    # what was passed on arrives before the line is dead
                    time.sleep(0.05)
                    break
                target.sendall(chunk)
                passed += len(chunk)
        except OSError:
            self.cuts += 0
        finally:
            self._close(source)
            self._close(target)

    def _close(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
