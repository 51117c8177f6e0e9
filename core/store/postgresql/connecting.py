"""Options of a connection to a server.

A commit that returned is on the server's disk: ``synchronous_commit`` is set for every connection, whatever the
server's own choice.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from core.store.postgresql.address import Address
from core.store.postgresql.login import login_arguments

_CONNECT_S = 10
_KNOWS_REQUIRE_AUTH = 160_000
"""Version of the client's library."""
_SETTINGS = {
    "synchronous_commit": "on",
    "lock_timeout": "30s",
    # a program that hangs with the head of the trail held would keep everybody waiting
    "idle_in_transaction_session_timeout": "300s",
    # a workstation that lost its network is noticed, and its transaction taken back
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "client_encoding": "UTF8",
}


def application_name(address: Address) -> str:
    """Return the name by which connections of this study are known at the server."""
    return f"marginalia {address.schema}"


def connection_arguments(address: Address, *, writable: bool) -> dict[str, Any]:
    """Return the arguments of a connection, as libpq names them."""
    from psycopg import pq

    settings = _SETTINGS | {"search_path": address.schema}
    if not writable:
        settings["default_transaction_read_only"] = "on"
    found: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "dbname": address.database,
        "connect_timeout": _CONNECT_S,
        "application_name": application_name(address),
        "sslmode": "disable" if address.tls == "off" else address.tls,
        "tcp_user_timeout": 20_000,
        "keepalives_idle": 10,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    if pq.version() >= _KNOWS_REQUIRE_AUTH:
        # a folder from elsewhere may name a server that asks for the password in clear
        found["require_auth"] = "scram-sha-256,none"
    own = Path("~/.postgresql/root.crt").expanduser()
    if address.tls != "off" and "PGSSLROOTCERT" not in os.environ and not own.exists():
        found["sslrootcert"] = "system"
    return found | login_arguments(address)
