"""Notices of the server that something was committed in a study (LISTEN and NOTIFY)."""

from __future__ import annotations

import contextlib
from collections.abc import Set
from typing import Any

from core.domain.errors import ServerLostError
from core.domain.messages import message
from core.store.postgresql.address import Address
from core.store.postgresql.connecting import connection_arguments


class NoticeBell:
    """Implements ``core.store.backend.Bell`` with a connection of its own, made again when it was lost."""

    def __init__(self, address: Address, own: Set[int]) -> None:
        self._address = address
        self._own = own
        """Numbers of the connections whose notices do not count: those of this program."""
        self._connection: Any = None

    def wait(self, timeout_s: float) -> bool:
        import psycopg

        try:
            if self._connection is None:
                arguments = connection_arguments(self._address, writable=False)
                self._connection = psycopg.connect(**arguments, autocommit=True)
                self._connection.execute(f'LISTEN "{self._address.schema}"')
                return True  # something may have been committed before
            heard = [*self._connection.notifies(timeout=timeout_s, stop_after=1)]
            heard += self._connection.notifies(timeout=0)
            return any(notice.pid not in self._own for notice in heard)
        except psycopg.Error as error:
            self.close()
            first = str(error).partition("\n")[0]
            raise ServerLostError(
                message(
                    "The server of {address} cannot be reached ({reason}), so that changes by others are "
                    "not shown; check the network.",
                    address=self._address,
                    reason=first[:200],
                )
            ) from error

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None
