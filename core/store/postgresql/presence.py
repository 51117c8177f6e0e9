"""Who is on which case: a row for each connection, which counts only while the server has that connection.

A program that is killed loses its connection, and with it its row at once; one whose network is gone beats no
more.
"""

from __future__ import annotations

import contextlib
from typing import Any

from core.domain.errors import ServerLostError
from core.domain.messages import message
from core.store.postgresql.address import Address
from core.store.postgresql.connecting import connection_arguments
from core.store.postgresql.names import PRESENCE
from core.store.presence import STALE_S, Present

MAKE = f"""
CREATE UNLOGGED TABLE IF NOT EXISTS {PRESENCE} (
    pid integer PRIMARY KEY, login name NOT NULL, name text NOT NULL, image_id text, at timestamptz NOT NULL
);
CREATE OR REPLACE FUNCTION i_am_at(reader text, image text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = "{{schema}}", pg_temp
    AS $$ BEGIN
        DELETE FROM {PRESENCE} p WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.pid = p.pid);
        INSERT INTO {PRESENCE} VALUES (pg_backend_pid(), session_user, reader, image, now())
            ON CONFLICT (pid) DO UPDATE SET login = session_user, name = reader, image_id = image, at = now();
    END $$;
"""
"""Statements of ``rights.make_rights``; nobody but the function writes into the table."""

_OTHERS = f"""
SELECT p.name, p.image_id FROM {PRESENCE} p JOIN pg_stat_activity a ON a.pid = p.pid AND a.usename = p.login
WHERE p.pid <> pg_backend_pid() AND p.image_id IS NOT NULL AND p.at > now() - make_interval(secs => %s)
ORDER BY p.name, p.pid
"""


class ServerPresence:
    """Implements ``core.store.presence.Presence`` with a connection of its own, made again when it was lost."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connection: Any = None

    def beat(self, name: str, image_id: str | None) -> tuple[Present, ...]:
        import psycopg

        try:
            if self._connection is None:
                arguments = connection_arguments(self._address, writable=True)
                self._connection = psycopg.connect(**arguments, autocommit=True)
                # to tell others where one is needs no disk
                self._connection.execute("SET synchronous_commit = off")
            self._connection.execute("SELECT i_am_at(%s, %s)", (name, image_id))
            rows = self._connection.execute(_OTHERS, (STALE_S,)).fetchall()
        except psycopg.Error as error:
            self.close()
            raise ServerLostError(
                message(
                    "The server of {address} cannot be reached, so that nobody sees who is on which case.",
                    address=self._address,
                )
            ) from error
        return tuple(Present(name=row[0], image_id=row[1]) for row in rows)

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None
