"""Limits of an association, kept before memory is taken: size of a PDU and of a message, time, rate.

pynetdicom reads as many bytes as a PDU announces (up to 4 GB, also before an association), joins the fragments of
a message in memory without a limit, and waits as long as one byte comes now and then. Its reader of bytes is
replaced, for each association, by one that closes the connection instead.
"""

from __future__ import annotations

import select
import socket
import struct
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pynetdicom import _config, dimse_messages

_HEADER = 6
"""Bytes of the head of a PDU: type, reserved, length (PS3.8, 9.3.1)."""
_P_DATA = 0x04
_KNOWN_TYPES = range(1, 8)
_CHUNK = 1 << 16
_CLOSED = "Evt17"
"""The event of a connection that was closed (PS3.8, table 9-8)."""
_WAITING_MESSAGES = 1
"""Messages that are read ahead of the one being answered."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one association."""

    pdu_bytes: int = 1 << 20
    """Maximum size of one PDU. We announce 128 kB; a request for an association with 128 contexts needs some 100
    kB."""
    command_bytes: int = 1 << 16
    object_bytes: int
    """Maximum size of the data set of one message."""
    wait_s: float
    """For the rest of a PDU that has begun."""
    slow_s: float = 30.0
    """After which a message must come with at least ``bytes_a_second``."""
    bytes_a_second: int = 16_384


class Budget:
    """Bytes that all associations of a receiver may hold together before their objects are whole."""

    def __init__(self, total: int) -> None:
        self._left, self._lock = total, threading.Lock()

    def take(self, count: int) -> bool:
        with self._lock:
            self._left -= count
            return self._left >= 0

    def give_back(self, count: int) -> None:
        with self._lock:
            self._left += count


class LimitError(OSError):
    """A limit was passed; the library takes it for a broken connection."""


class Guard:
    """Reads the bytes of one association. Constructed in the handler of EVT_CONN_OPEN, before anything is read."""

    def __init__(
        self, association: Any, limits: Limits, *, budget: Budget | None = None, folder: Path | None = None
    ) -> None:
        """``folder``: where objects are written while they come; None keeps them in memory."""
        self._association, self._limits = association, limits
        self._budget, self._folder = budget, folder
        self._socket: socket.socket = association.dul.socket.socket
        self._socket.settimeout(limits.wait_s)
        self._kind = self._expected = -1
        self._command = self._object = 0
        self._began = 0.0
        self.last_heard = time.monotonic()
        self.why = ""
        """The limit that was passed; "" while none was."""
        association.dul.socket.recv = self.recv
        self._do_action = association.dul.state_machine.do_action
        association.dul.state_machine.do_action = self._act

    def _act(self, event: str) -> None:
        """Replaces ``StateMachine.do_action``: a message that the library fails on ends the association.

        The library alone ends the thread that reads: the caller gets no answer, and nothing reports the error.
        """
        try:
            self._do_action(event)
        except Exception as error:  # noqa: BLE001 (the library and its parser raise what they like; see the docstring)
            self.why = f"a message that cannot be understood ({type(error).__name__})"
            dul = self._association.dul
            connected = dul.socket is not None and dul.socket._is_connected
            dul._kill_thread = event == _CLOSED or not connected
            if not dul._kill_thread:
                dul.socket.close()  # which puts _CLOSED into the queue, so that all are told

    def recv(self, count: int) -> bytearray:
        """In the place of ``AssociationSocket.recv``: ``count`` bytes, or fewer where the connection ended."""
        try:
            return self._body(count) if count == self._expected else self._head(count)
        except LimitError as error:
            self.why = str(error)
            self.close()
            raise

    def close(self) -> None:
        """Break the connection, and forget the object that was coming."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._forget_object()
        self._stop_waiting()

    def ended(self) -> None:
        """Delete the file of an object that did not become whole."""
        self._forget_object()
        message = self._association.dimse.message
        file = getattr(message, "_data_set_file", None)
        if file is not None:
            with suppress(OSError):
                file.close()
                Path(file.name).unlink(missing_ok=True)

    def _head(self, count: int) -> bytearray:
        self._wait_for_answers()
        _incoming.folder = self._folder
        head = self._receive(count)
        self._expected = -1
        if not head:
            self._stop_waiting()
        if len(head) == _HEADER == count:
            self._kind, _, length = struct.unpack(">BBL", head)
            if self._kind in _KNOWN_TYPES:
                if length > self._limits.pdu_bytes:
                    raise LimitError(f"a PDU of {length:,} bytes")
                self._expected = length
        return head

    def _body(self, count: int) -> bytearray:
        self._expected = -1
        body = self._receive(count)
        if self._kind == _P_DATA and len(body) == count:
            self._count(body)
        return body

    def _stop_waiting(self) -> None:
        """End an acceptor whose caller went without a request: the library would have its thread wait on."""
        if self._association.is_acceptor and not self._association.is_established:
            self._association.dul.to_user_queue.put(None)

    def _receive(self, count: int) -> bytearray:
        found = bytearray()
        deadline = time.monotonic() + self._limits.wait_s
        while len(found) < count:
            if time.monotonic() > deadline:
                raise LimitError(f"a PDU that did not come within {self._limits.wait_s:g} s")
            if not self._has_bytes():
                continue
            part = self._socket.recv(min(_CHUNK, count - len(found)))
            if not part:
                break
            self.last_heard = time.monotonic()
            found += part
        return found

    def _has_bytes(self) -> bool:
        """Wait half a second for bytes. OSError where the connection was closed here, by another thread."""
        # bytes that TLS has unpacked already are not seen by select
        pending = getattr(self._socket, "pending", None)
        try:
            return bool((pending and pending()) or select.select([self._socket], [], [], 0.5)[0])
        except ValueError as error:
            raise LimitError("a connection that was closed") from error

    def _count(self, body: bytearray) -> None:
        """Add up the fragments of the message that is coming (PS3.8, annex E)."""
        at = 0
        while at + _HEADER <= len(body):
            size = struct.unpack_from(">L", body, at)[0]
            control, fragment = body[at + 5], max(0, size - 2)
            at += 4 + size
            if not self._command and not self._object:
                self._began = time.monotonic()
            if control & 1:
                self._command += fragment
            else:
                self._object += fragment
                if self._budget is not None and not self._budget.take(fragment):
                    raise LimitError("more objects at once than the receiver takes")
            self._check()
            if control & 2:
                self._command = 0
                self._forget_object()

    def _check(self) -> None:
        limits = self._limits
        if self._command > limits.command_bytes:
            raise LimitError(f"a command of more than {limits.command_bytes:,} bytes")
        if self._object > limits.object_bytes:
            raise LimitError(f"an object of more than {limits.object_bytes:,} bytes")
        waited = time.monotonic() - self._began
        if waited > limits.slow_s and self._command + self._object < waited * limits.bytes_a_second:
            raise LimitError(f"a message that comes with less than {limits.bytes_a_second:,} bytes a second")

    def _forget_object(self) -> None:
        count, self._object = self._object, 0
        if self._budget is not None:
            self._budget.give_back(count)

    def _wait_for_answers(self) -> None:
        """Read no further while messages wait to be answered: a flood of them would fill the memory."""
        dimse, dul = self._association.dimse, self._association.dul
        while dimse.msg_queue.qsize() > _WAITING_MESSAGES and not dul._kill_thread:
            time.sleep(0.01)


_incoming = threading.local()


def _file_for_object(**asked: Any) -> IO[bytes]:
    folder = getattr(_incoming, "folder", None)
    file: IO[bytes] = tempfile.NamedTemporaryFile(**asked, prefix="object-", dir=folder)  # noqa: SIM115
    return file


# objects go to the disk as they come: a tomosynthesis of 2 GB would not fit into memory. The library has one
# switch for the whole program, and always writes to the system's folder of temporary files, which others can read
_config.STORE_RECV_CHUNKED_DATASET = True
setattr(dimse_messages, "NamedTemporaryFile", _file_for_object)  # noqa: B010
