"""A private network namespace for the thread of the tests, and for what it starts.

Debian's Orthanc listens on all interfaces; in a namespace of its own, with nothing but loopback, nobody reaches
it. It needs the right to make one (root), else the tests run without.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1


class Namespace:
    """``entered`` moves this thread in; threads and programs that it starts meanwhile are in there too."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inside = self._outside = -1
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        if self._libc.unshare(_CLONE_NEWNET) != 0:
            os.close(outside)
            return
        try:
            self._inside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            _loopback_up()
        finally:
            self._set(outside)
        self._outside = outside

    @property
    def private(self) -> bool:
        return self._inside >= 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        if not self.private:
            yield
            return
        self._set(self._inside)
        try:
            yield
        finally:
            self._set(self._outside)

    def close(self) -> None:
        for descriptor in (self._inside, self._outside):
            if descriptor >= 0:
                os.close(descriptor)
        self._inside = self._outside = -1

    def _set(self, descriptor: int) -> None:
        if self._libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sH14x", b"lo", 0)
        _, flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, _GET_FLAGS, request))
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def interfaces() -> list[str]:
    """Those that this thread sees."""
    lines = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    return [line.partition(":")[0].strip() for line in lines]
