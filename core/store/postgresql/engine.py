"""An engine for connections to a server, and the sentences for what can go wrong with it."""

from __future__ import annotations

import math
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from core.domain.errors import (
    MarginaliaError,
    ServerLoginError,
    ServerLostError,
    StorageFullError,
    StudyError,
    StudyLockedError,
)
from core.domain.messages import message, template
from core.store.backend import sharing
from core.store.postgresql.address import Address
from core.store.postgresql.connecting import connection_arguments

_IDLE_S = 2.0
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_LAST = text("SELECT last_number(:entered)")
_LOST = ("08", "57P")
"""First characters of the codes of a server that is gone, restarts or shuts down."""
_MEANINGS: dict[str, tuple[type[MarginaliaError], str]] = {
    "53100": (
        StorageFullError,
        template(
            "{address} could not be written: the server's disk is full. The last change was not kept, everything "
            "before it is untouched; make room on the server and repeat it."
        ),
    ),
    "25006": (StudyError, template("{address} can only be read with this connection. Nothing was changed.")),
    "55P03": (
        StudyLockedError,
        template("{address} is busy: another program works in it. Nothing was changed; try again."),
    ),
    "40P01": (
        StudyLockedError,
        template("{address} is busy: another program works in it. Nothing was changed; try again."),
    ),
    "40001": (
        StudyLockedError,
        template("{address} is busy: another program works in it. Nothing was changed; try again."),
    ),
    "42501": (
        StudyError,
        template("Your login may not do this in {address}. Nothing was changed; ask its administrator."),
    ),
    "28P01": (
        ServerLoginError,
        template("The server of {address} does not accept the login; run: marginalia study login STUDY"),
    ),
    "28000": (
        ServerLoginError,
        template("The server of {address} does not accept the login; run: marginalia study login STUDY"),
    ),
    "42P01": (
        StudyError,
        template("The server no longer has {address}: it was moved or deleted. Close the study, then open it."),
    ),
    "3D000": (
        StudyError,
        template("The server has no such database ({address}); check the address with its administrator."),
    ),
    "53300": (
        StudyLockedError,
        template("The server of {address} has no connection left. Nothing was changed; try again."),
    ),
}


_BEFORE_CODES = {"authentication": "28P01", "role ": "28P01", "pg_hba.conf": "28000", 'database "': "3D000"}
"""Parts of the sentences of a server that refuses a connection, with the code that they would have."""
_NO_PASSWORD = "no password supplied"
_UNPROVEN = ("certificate", "does not support SSL", "authentication method requirement")
"""Parts of the sentences of this computer's library where it refuses the server."""


class _Shared:
    """Implements ``core.store.backend.Sharing`` for a study, whose schema's name is a part of every name held."""

    def __init__(self, schema_name: str) -> None:
        self._schema = schema_name

    def hold(self, connection: Connection, name: str) -> None:
        connection.execute(_LOCK, {"name": f"{self._schema} {name}"})

    def last_number(self, connection: Connection, table: str) -> int:
        return int(connection.execute(_LAST, {"entered": table}).scalar_one())


def make_engine(address: Address, *, writable: bool) -> Engine:
    """An engine; StudyError where the library for it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise StudyError(
            message(
                "Studies on a server need a library that is not installed; run: pip install "
                "'marginalia[postgresql]'"
            )
        ) from error

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(**connection_arguments(address, writable=writable))

    engine = create_engine(
        "postgresql+psycopg://", creator=connect, execution_options=sharing(_Shared(address.schema))
    )

    @event.listens_for(engine, "checkin")
    def note(raw: Any, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def prove(raw: Any, record: ConnectionPoolEntry, proxy: object) -> None:
        """A connection that was idle for a while may have ended with its server; then another one is made."""
        if time.monotonic() - record.info.get("used", math.inf) > _IDLE_S:
            try:
                raw.execute("SELECT 1")
                raw.rollback()
            except psycopg.Error as error:
                raise DisconnectionError from error

    return engine


def sentence(error: DBAPIError, address: Address) -> MarginaliaError | None:
    """The user's sentence for an error of the server, or None where it is a defect of the program."""
    code = str(getattr(error.orig, "sqlstate", None) or "")
    kind, words = _MEANINGS.get(code, (None, ""))
    if kind is not None:
        return kind(message(words, address=address))
    first = str(error.orig).strip().partition("\n")[0]
    if not code and (refused := _refused(str(error.orig), address)) is not None:
        return refused
    if code.startswith(_LOST) or error.connection_invalidated or (not code and _is_operational(error)):
        return ServerLostError(
            message(
                "The server of {address} cannot be reached ({reason}). The last change was not confirmed, "
                "everything before it is untouched; check the network and try again.",
                address=address,
                reason=first[:200],
            )
        )
    if isinstance(error, IntegrityError):
        return StudyError(
            message("The study does not allow this change, and nothing was changed: {reason}.", reason=first)
        )
    if code.startswith("22"):
        return StudyError(
            message("The database cannot keep this value, and nothing was changed: {reason}.", reason=first)
        )
    return None


def _refused(said: str, address: Address) -> MarginaliaError | None:
    """The sentence where the server or this computer refused, before there was a connection with codes.

    A name may stand for several numbers, each with a line of its own: whichever of them answered counts.
    """
    for line in said.strip().splitlines():
        if _NO_PASSWORD in line:
            kind, words = _MEANINGS["28P01"]
            return kind(message(words, address=address))
        if "FATAL" in line:
            for part, known in _BEFORE_CODES.items():
                if part in line:
                    kind, words = _MEANINGS[known]
                    return kind(message(words, address=address))
        elif any(part in line for part in _UNPROVEN):
            return StudyError(
                message(
                    "The server of {address} did not prove that it is the right one ({reason}). No password and "
                    "nothing of the study was sent to it; check its name and its certificate with its "
                    "administrator.",
                    address=address,
                    reason=line.strip()[:300],
                )
            )
    return None


def _is_operational(error: DBAPIError) -> bool:
    return type(error).__name__ in ("OperationalError", "InterfaceError")
