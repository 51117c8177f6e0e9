"""The receiver: takes what a PACS sends with C-STORE, from callers that are known, and hands it on unread.

Bound to the address of the profile, which nobody but this computer reaches unless its user chose another one.
"""

from __future__ import annotations

import errno
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

from pynetdicom import AE, evt
from pynetdicom.transport import ThreadedAssociationServer

from core.domain.errors import MarginaliaError, PacsError
from core.imaging.decoded import MAX_FILE_BYTES
from core.pacs.profile import DimseProfile
from core.pacs.query import is_uid
from core.pacs.sockets import Sockets
from core.pacs.transport import server_context

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

Take = Callable[[int, str, bytes], bool]
"""Gets the number of the association, the SOP Instance UID and the whole file; whether it was wanted."""
Ended = Callable[[int, bool], None]
"""Gets the number of the association and whether it was released as agreed; else it broke."""


@dataclass(frozen=True)
class Address:
    title: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.title} at {self.host}:{self.port}"


class Listener:
    """Listens while its context lasts. ``take`` and ``ended`` are called in threads of the receiver."""

    def __init__(self, profile: DimseProfile, take: Take, ended: Ended | None = None) -> None:
        self._profile = profile
        self._take, self._ended = take, ended
        self.address = Address(profile.calling, profile.listen_address, profile.listen_port)
        self.problem: MarginaliaError | None = None
        """What went wrong here with an object, such as a full disk."""
        self._server: ThreadedAssociationServer | None = None
        self._sockets = Sockets()
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._counting = threading.Lock()
        self._next, self._over = itertools.count(), set[int]()

    def __enter__(self) -> Self:
        profile = self._profile
        entity = AE(ae_title=profile.calling)
        entity.require_called_aet = True
        entity.require_calling_aet = [profile.called]
        entity.maximum_pdu_size = 131_072
        entity.maximum_associations = 4
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
            self._server = entity.start_server(
                (profile.listen_address, profile.listen_port),
                block=False,
                ssl_context=server_context(profile) if profile.tls.on else None,
                evt_handlers=handlers,
            )
        except OSError as error:
            why = (
                "another program listens there"
                if error.errno == errno.EADDRINUSE
                else "it is none of this computer"
            )
            raise PacsError(
                f"Images cannot be received at {profile.listen_address}:{profile.listen_port}, because {why}; "
                "choose another address or port in the profile, and tell the PACS."
            ) from error
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
        self._sockets.close()

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        if not is_uid(uid):
            return _NOT_UNDERSTOOD
        content = event.encoded_dataset()
        if len(content) > MAX_FILE_BYTES:
            return _NO_ROOM
        try:
            return 0 if self._take(self._number(event.assoc), uid, content) else _REFUSED
        except MarginaliaError as error:
            self.problem = error
            return _NO_ROOM

    def _released(self, event: Any) -> None:
        self._end(self._number(event.assoc), whole=True)

    def _broken(self, event: Any) -> None:
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
