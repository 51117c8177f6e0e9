"""The receiver: takes what a PACS sends with C-STORE, from callers that are known, and hands it on unread.

Bound to the address of the profile, which nobody but this computer reaches unless its user chose another one.
"""

from __future__ import annotations

import errno
import itertools
import shutil
import ssl
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from core.domain.errors import MarginaliaError, PacsError
from core.domain.messages import message
from core.imaging.decoded import MAX_FILE_BYTES
from core.pacs.guard import Budget, Limits
from core.pacs.profile import DimseProfile
from core.pacs.query import is_uid
from core.pacs.sockets import MOST_CONNECTIONS, Sockets
from core.pacs.transport import server_context
from core.platform.atomic import make_folder

STORAGE_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.1.2",  # Digital Mammography X-Ray, For Presentation
    "1.2.840.10008.5.1.4.1.1.1.2.1",  # and For Processing
    "1.2.840.10008.5.1.4.1.1.13.1.3",  # Breast Tomosynthesis
    "1.2.840.10008.5.1.4.1.1.13.1.4",  # Breast Projection X-Ray, For Presentation
    "1.2.840.10008.5.1.4.1.1.13.1.5",  # and For Processing
    "1.2.840.10008.5.1.4.1.1.1",  # Computed Radiography
    "1.2.840.10008.5.1.4.1.1.1.1",  # Digital X-Ray, For Presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # and For Processing
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.2",  # Multi-frame Grayscale Byte Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.3",  # Multi-frame Grayscale Word Secondary Capture
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
    "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
    "1.2.840.10008.5.1.4.1.1.88.22",  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34",  # Comprehensive 3D SR
    "1.2.840.10008.5.1.4.1.1.88.50",  # Mammography CAD SR
)
TRANSFER_SYNTAXES = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.4.70",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.5",
    "1.2.840.10008.1.2.2",
)
_GRACE_S = 2.0
"""For what still comes when the receiver closes."""
_REFUSED, _NO_ROOM, _NOT_UNDERSTOOD = 0x0124, 0xA700, 0xC000
"""PS3.4, B.2.3 and PS3.7, annex C: not authorised; out of resources; cannot understand."""

_MOST_TOGETHER = 2 * MAX_FILE_BYTES
"""Bytes of objects that are coming at one time."""
_INCOMING = ".incoming-"
_LEFT_AFTER_S = 86_400
"""Age at which a folder of a receiver that was killed is deleted."""

Take = Callable[[int, str, Path], bool]
"""Gets the number of the association, the SOP Instance UID and the whole file, to copy; whether it was wanted."""
Ended = Callable[[int, bool], None]
"""Gets the number of the association and whether it was released as agreed; else it broke."""


@dataclass(frozen=True)
class PeerAddress:
    title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.title} at {self.host}:{self.port}"


class Listener:
    """Listens while its context lasts. ``take`` and ``ended`` are called in threads of the receiver."""

    def __init__(self, profile: DimseProfile, folder: Path, take: Take, ended: Ended | None = None) -> None:
        """``folder``: where objects are written while they come, in a folder of its own."""
        self._profile, self._folder = profile, folder
        self._take, self._ended = take, ended
        self.address = PeerAddress(profile.calling, profile.listen_address, profile.listen_port)
        self.problem: MarginaliaError | None = None
        """Local problem with an object, such as a full disk."""
        self._server: ThreadedAssociationServer | None = None
        self._thread: threading.Thread | None = None
        self._incoming: Path | None = None
        self._sockets: Sockets | None = None
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._counting = threading.Lock()
        self._next, self._over = itertools.count(), set[int]()

    def __enter__(self) -> Self:
        profile = self._profile
        self._incoming = _incoming_folder(self._folder)
        limits = Limits(object_bytes=MAX_FILE_BYTES, wait_s=profile.timeout_s)
        self._sockets = Sockets(limits, budget=Budget(_MOST_TOGETHER), folder=self._incoming)
        entity = AE(ae_title=profile.calling)
        entity.require_called_aet = True
        entity.require_calling_aet = [profile.called]
        entity.maximum_pdu_size = 131_072
        # silent connections count too: the limit is that of ``sockets``, which makes room for a new one
        entity.maximum_associations = 4 * MOST_CONNECTIONS
        entity.network_timeout = entity.dimse_timeout = entity.acse_timeout = profile.timeout_s
        entity.add_supported_context("1.2.840.10008.1.1")
        for one in STORAGE_CLASSES:
            entity.add_supported_context(one, list(TRANSFER_SYNTAXES))
        handlers: list[Any] = [
            self._sockets.handler,
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_RELEASED, self._released),
            (evt.EVT_ABORTED, self._broken),
            (evt.EVT_CONN_CLOSE, self._broken),
        ]
        try:
            server = entity.make_server(
                (profile.listen_address, profile.listen_port),
                ssl_context=server_context(profile) if profile.tls.on else None,
                evt_handlers=handlers,
                server_class=_Server,
            )
        except OSError as error:
            shutil.rmtree(self._incoming, ignore_errors=True)
            why = (
                message("another program uses it")
                if error.errno == errno.EADDRINUSE
                else message("it is not an address of this computer")
            )
            raise PacsError(
                message(
                    "Images cannot be received at {address}:{port}, because {why}; "
                    "choose another address or port in the profile, and tell the PACS.",
                    address=profile.listen_address,
                    port=profile.listen_port,
                    why=why,
                )
            ) from error
        entity._servers.append(server)  # from which it takes itself out when it is shut down
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            open_still = self._server.active_associations
            self._server.shutdown()
            self._server = None
            for association in open_still:
                association.join(_GRACE_S)
                if association.is_alive():
                    association.abort()
                    association.join(_GRACE_S)
        if self._thread is not None:
            self._thread.join(_GRACE_S)
        if self._sockets is not None:
            self._sockets.close()
        if self._incoming is not None:
            shutil.rmtree(self._incoming, ignore_errors=True)

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if not is_uid(uid):
            return _NOT_UNDERSTOOD
        path = event.dataset_path
        if path is None:  # a C-STORE without a data set
            return _NOT_UNDERSTOOD
        try:
            return 0 if self._take(self._number(event.assoc), uid, path) else _REFUSED
        except MarginaliaError as error:
            self.problem = error
            return _NO_ROOM

    def _released(self, event: Any) -> None:
        self._end(self._number(event.assoc), whole=True)

    def _broken(self, event: Any) -> None:
        if self._sockets is not None:
            self._sockets.ended(event.assoc)
        self._end(self._number(event.assoc), whole=False)

    def _number(self, association: Any) -> int:
        """One that no other association gets: its address in memory goes to the next when it is over."""
        with self._counting:
            known = self._numbers.get(association)
            if known is None:
                known = self._numbers[association] = next(self._next)
            return known

    def _end(self, association: int, *, whole: bool) -> None:
        # the connection closes after a release too; the first word counts
        if association in self._over:
            return
        self._over.add(association)
        if self._ended is not None:
            self._ended(association, whole)


class _Server(ThreadedAssociationServer):
    """Greets each encrypted caller in a thread of its own: the library does it in the one that accepts calls,
    where a silent caller keeps all others out."""

    daemon_threads = True

    def __init__(self, *arguments: Any, **more: Any) -> None:
        self._greeted: OrderedDict[int, Any] = OrderedDict()
        self._greeting = threading.Lock()
        super().__init__(*arguments, **more)

    def get_request(self) -> tuple[Any, Any]:
        call, address = self.socket.accept()  # type: ignore[union-attr]
        call.settimeout(self.ae.acse_timeout)
        if self.ssl_context is not None:
            call = self.ssl_context.wrap_socket(call, server_side=True, do_handshake_on_connect=False)
        return call, address

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if isinstance(request, ssl.SSLSocket) and not self._shake_hands(request):
            self.shutdown_request(request)
            return
        super().process_request_thread(request, client_address)

    def _shake_hands(self, call: ssl.SSLSocket) -> bool:
        with self._greeting:
            self._greeted[id(call)] = call
            oldest = self._greeted.popitem(last=False)[1] if len(self._greeted) > MOST_CONNECTIONS else None
        if oldest is not None:
            with suppress(OSError):
                oldest.close()
        try:
            call.do_handshake()
        except (OSError, ValueError):
            return False
        finally:
            with self._greeting:
                self._greeted.pop(id(call), None)
        return True


def _incoming_folder(folder: Path) -> Path:
    """A new folder for objects that are coming, readable to this user only; old ones of killed programs go."""
    make_folder(folder)
    for left in folder.glob(f"{_INCOMING}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_AFTER_S:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=_INCOMING, dir=folder))
