"""HTTP to a DICOMweb service, with limits of size and time for every answer, whatever its server sends.

``requests`` has none of these: its time limit is for two bytes after each other, and a body is read and unpacked
whole. Here a watchdog closes the connection when an answer is late, and bodies are read and unpacked in pieces.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from core.domain.errors import PacsError
from core.domain.messages import message
from core.pacs.profile import DicomwebProfile
from core.pacs.transport import client_context

ANSWER_S = 55.0
"""For a whole answer that is kept in memory, and for the head of any answer."""
ANSWER_BYTES = 8 << 20
"""Maximum size of such an answer; a page of 200 examinations has some 300 kB."""
_CHUNK = 1 << 14
_SLOWEST = 16_384
"""Bytes a second that an object must come with, once it has begun."""
_LOOK_S = 0.2


class LateError(OSError):
    """An answer did not come in time; the watchdog has closed its connection."""


class Watchdog:
    """Closes the connections of a session at its deadline, which whoever reads moves on."""

    def __init__(self, sockets: list[Any], deadline: float) -> None:
        self._sockets, self.deadline, self.late = sockets, deadline, False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            if time.monotonic() > self.deadline:
                self.late = True
                for one in list(self._sockets):
                    with suppress(OSError, ValueError):
                        one.shutdown(socket.SHUT_RDWR)


class Adapter(HTTPAdapter):
    """Connections of one session: the profile's own trust in certificates, and their sockets, for the watchdog."""

    def __init__(self, profile: DicomwebProfile, sockets: list[Any]) -> None:
        self._context = client_context(profile) if profile.tls.on else None
        self._verify, self._sockets = profile.tls.verify, sockets
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        if self._context is not None:
            more["ssl_context"] = self._context
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _tracked(HTTPConnectionPool, self._sockets),
            "https": _tracked(HTTPSConnectionPool, self._sockets),
        }

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        # the context holds all of it; requests would put its own list of authorities beside ours
        if self._context is not None:
            conn.cert_reqs = "CERT_REQUIRED" if self._verify else "CERT_NONE"


def _tracked(pool: Any, sockets: list[Any]) -> Any:
    """The class of pools, whose connections put their sockets into ``sockets``."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        def _new_conn(self) -> Any:
            made = super()._new_conn()
            sockets[:] = [made]
            return made

        def connect(self) -> None:
            super().connect()
            # encrypted it is another object
            sockets[:] = [self.sock]

    return type("TrackedPool", (pool,), {"ConnectionCls": Connection})


class HttpSession(requests.Session):
    """A session for one profile. Use from one thread at a time."""

    def __init__(self, profile: DicomwebProfile, secret: str = "") -> None:
        super().__init__()
        self.profile = profile
        self._sockets: list[Any] = []
        # neither proxies nor .netrc of the environment: data and password go where the profile says, only there
        self.trust_env = False
        self.max_redirects = 0
        self.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self.mount(scheme, Adapter(profile, self._sockets))
        if profile.login == "password":
            self.auth = (profile.user, secret)
        elif profile.login == "token":
            self.headers["Authorization"] = f"Bearer {secret}"

    @property
    def patience_s(self) -> float:
        return max(ANSWER_S, self.profile.timeout_s)

    def close(self) -> None:
        """End the connection now; the library leaves it to the garbage collector."""
        super().close()
        for one in self._sockets:
            with suppress(OSError, ValueError):
                one.close()

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Leaves the wildcard of a query as it is: some servers do not decode what is percent-encoded."""
        prepared = super().prepare_request(request)
        prepared.url = (prepared.url or "").replace("%2A", "*")
        return prepared

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        """Send a request like ``requests``; the content of a response without ``stream`` is read here, within the
        limits."""
        streamed = more.pop("stream", False)
        if "timeout" not in more or more["timeout"] is None:
            more["timeout"] = self.profile.timeout_s
        with self._watched() as watchdog:
            watchdog.deadline += _upload_s(request)
            response = super().send(request, stream=True, **more)
            if not streamed:
                content = bytearray()
                for part in _pieces(response, watchdog):
                    content += part
                    if len(content) > ANSWER_BYTES:
                        response.close()
                        raise PacsError(
                            message(
                                "{profile} answers with more than {limit:,} bytes; ask for less.",
                                profile=self.profile.name,
                                limit=ANSWER_BYTES,
                            )
                        )
                response._content, response._content_consumed = bytes(content), True
                response.close()
        return response

    def pieces(self, response: requests.Response, most: int) -> Iterator[bytes]:
        """The body of a streamed response, unpacked.

        Raises: PacsError for more than ``most`` bytes, and if they come too slowly.
        """
        size = 0
        begun = time.monotonic()
        with self._watched() as watchdog:
            for part in _pieces(response, watchdog):
                size += len(part)
                watchdog.deadline = time.monotonic() + self.patience_s
                if size > most:
                    raise PacsError(
                        message("{profile} sends more than {most:,} bytes.", profile=self.profile.name, most=most)
                    )
                waited = time.monotonic() - begun
                if waited > self.patience_s and size < waited * _SLOWEST:
                    raise LateError
                yield part
        # all of it was read: the connection is kept for the next request
        response._content_consumed = True

    @contextmanager
    def _watched(self) -> Iterator[Watchdog]:
        watchdog = Watchdog(self._sockets, time.monotonic() + self.patience_s)
        try:
            yield watchdog
        except LateError:
            raise self._late() from None
        except Exception:
            if watchdog.late:
                raise self._late() from None
            raise
        finally:
            watchdog.stop()

    def _late(self) -> PacsError:
        return PacsError(
            message(
                "{profile} did not finish an answer within {seconds:g} s; try again later, or ask for less.",
                profile=self.profile.name,
                seconds=self.patience_s,
            )
        )


def _upload_s(request: requests.PreparedRequest) -> float:
    """The time that sending the body may take."""
    length = request.headers.get("Content-Length", "0")
    return int(length) / _SLOWEST if length.isdigit() else 0.0


def _pieces(response: requests.Response, watchdog: Watchdog) -> Iterator[bytes]:
    """The body in pieces of at most ``_CHUNK`` bytes, also where it was compressed; errors as of ``requests``."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        inflater = None
    elif encoding in ("gzip", "x-gzip", "deflate"):
        inflater = zlib.decompressobj(47)  # either, told from its first bytes
    else:
        raise requests.exceptions.ContentDecodingError(f"content encoding {encoding[:20]}")
    try:
        while packed := response.raw.read(_CHUNK, decode_content=False):
            while packed:
                part, packed = (packed, b"") if inflater is None else _inflated(inflater, packed)
                yield part
    except urllib3.exceptions.ProtocolError as error:
        raise requests.exceptions.ChunkedEncodingError(error) from error
    except (urllib3.exceptions.DecodeError, zlib.error) as error:
        raise requests.exceptions.ContentDecodingError(error) from error
    except (urllib3.exceptions.ReadTimeoutError, urllib3.exceptions.SSLError) as error:
        raise requests.ConnectionError(error) from error
    if watchdog.late:
        raise LateError


def _inflated(inflater: Any, packed: bytes) -> tuple[bytes, bytes]:
    part = inflater.decompress(packed, _CHUNK)
    return part, inflater.unconsumed_tail
