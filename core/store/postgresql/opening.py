"""Making and opening the database of a study on a server."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from core.store.backend import translated
from core.store.postgresql.address import parse_address, read_address, write_address
from core.store.postgresql.backend import PostgresqlBackend
from core.store.postgresql.engine import make_engine, sentence
from core.store.postgresql.login import keep_login
from core.store.postgresql.upgrade import bring_up_to_date, drop_schema, make_schema


@contextlib.contextmanager
def new_schema(folder: Path, server: str) -> Iterator[PostgresqlBackend]:
    """Make a schema for the study in ``folder`` and write its address there; after an error nothing of it is left.

    The name of the schema is drawn where the address gives none.
    """
    address, user = parse_address(server)
    if not address.schema:
        address = msgspec.structs.replace(address, schema=f"study_{secrets.token_hex(8)}")
    if user:
        keep_login(address, user)
    engine = make_engine(address, writable=True)
    try:
        with translated(partial(sentence, address=address)):
            make_schema(engine, address)
            try:
                backend = PostgresqlBackend(address, writable=True)
                try:
                    yield backend
                finally:
                    backend.close()
                write_address(folder, address)
            except BaseException:
                drop_schema(engine, address)
                raise
    finally:
        engine.dispose()


def open_server(folder: Path, *, writable: bool) -> PostgresqlBackend:
    """Open the database whose address the folder holds; for writing, an older layout is upgraded."""
    address = read_address(folder)
    engine = make_engine(address, writable=writable)
    try:
        with translated(partial(sentence, address=address)):
            bring_up_to_date(engine, address, folder, writable=writable)
    finally:
        engine.dispose()
    return PostgresqlBackend(address, writable=writable)
