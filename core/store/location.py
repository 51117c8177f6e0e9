"""The location of a study's database: in a file of its folder, or on a server whose address the folder holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from core.domain.errors import StudyError
from core.domain.messages import message
from core.platform.places import state_folder
from core.store.backend import Backend
from core.store.database import Database
from core.store.filesystem import refuse_network
from core.store.names import DATABASE, SERVER
from core.store.sqlite.backend import SqliteBackend
from core.store.sqlite.copies import drop_hashes_of_copies
from core.store.sqlite.outbox import OutboxFile
from core.store.sqlite.upgrade import bring_up_to_date, make_database
from core.store.write_lock import WriteLock

_LOGS = tuple(f"{DATABASE}-{end}" for end in ("wal", "shm", "journal"))
FILES = (DATABASE, *_LOGS, SERVER)
"""Files of the folder that have to do with the database."""


@contextlib.contextmanager
def new_database(folder: Path, server: str) -> Iterator[Backend]:
    """Make an empty database for the study in ``folder``, open for writing; nothing of it is left after an error.

    ``server``: address of a server that is to hold it; "" for a file in the folder.
    """
    if server:
        from core.store.postgresql.opening import new_schema

        with new_schema(folder, server) as made:
            yield made
        return
    make_database(folder / DATABASE)
    backend = SqliteBackend(folder / DATABASE, writable=True)
    try:
        yield backend
    finally:
        backend.close()


def open_database(folder: Path, *, writable: bool, holder: str) -> tuple[Backend, WriteLock | None]:
    """Open the database of a study, of the present layout; an older one is upgraded when it is opened for writing.

    A file has one writer, whose lock is returned. Raises: StudyError where the folder is no study, or lies where
    its database could be damaged; StudyLockedError where another program writes.
    """
    if (folder / SERVER).is_file():
        from core.store.postgresql.opening import open_server

        return open_server(folder, writable=writable), None
    database = folder / DATABASE
    if not database.is_file():
        raise StudyError(
            message(
                "{folder} is not a study: it has no {database}. Choose the folder of a study.",
                folder=folder,
                database=DATABASE,
            )
        )
    refuse_network(folder)
    lock = WriteLock.take(folder, holder) if writable else None
    try:
        bring_up_to_date(database, writable=writable)
        return SqliteBackend(database, writable=writable), lock
    except BaseException:
        if lock is not None:
            lock.release()
        raise


def refuse_place(folder: Path, server: str) -> None:
    """StudyError where the file system could damage a new study in ``folder``; a server has its own disk."""
    if not server:
        refuse_network(folder)


@contextlib.contextmanager
def opened_copy(snapshot: Path) -> Iterator[Database]:
    """Open a file that ``Backend.snapshot`` wrote, for reading."""
    backend = SqliteBackend(snapshot, writable=False)
    try:
        yield Database(backend, who="")
    finally:
        backend.close()


def upgrade_file(folder: Path) -> None:
    """Bring the database file of a study that nobody has open up to the present layout."""
    bring_up_to_date(folder / DATABASE, writable=True)


def outbox_file(study_id: str) -> OutboxFile:
    """The file of this user that keeps what the server of a study has not confirmed."""
    return OutboxFile(state_folder() / "outbox" / f"{study_id}.db")


def drop_hashes(folder: Path) -> None:
    """Delete the hashes of identifiers in the copies of databases in this folder."""
    drop_hashes_of_copies(folder)


def keep_login_at(server: str, user: str, password: str) -> str:
    """Keep the login of this computer for a server before a study is made there; the server's full address.

    ``server``: HOST/DATABASE, or a full address, without a password. Raises: StudyError for an address that cannot
    be read, KeyStoreMissingError if there is a password and no key store that keeps it encrypted.
    """
    from core.store.postgresql.address import parse_address
    from core.store.postgresql.login import keep_login as keep

    whole = server if "://" in server else f"postgresql://{server}"
    address, named = parse_address(whole)
    if user or named:
        keep(address, user or named, password)
    return whole.replace(f"//{named}@", "//", 1) if named else whole


def login_of(folder: Path) -> tuple[str, str]:
    """Return the name of the server's database and the user whom this computer keeps for it, "" without one."""
    from core.store.postgresql.address import read_address
    from core.store.postgresql.login import login_user

    address = read_address(folder)
    return address.server, login_user(address)


@contextlib.contextmanager
def asked_login(folder: Path, user: str, password: str) -> Iterator[None]:
    """Log in at the study's server with what a person typed, until this program ends.

    It is held in memory alone, and after an error in the block no longer.
    """
    from core.store.postgresql.address import read_address
    from core.store.postgresql.login import asked_login as hold

    with hold(read_address(folder), user, password):
        yield


def keep_login(folder: Path, user: str, password: str) -> str:
    """Keep the login of this computer for the server of a study; the name of the server's database.

    Raises: StudyError if the study has its database in a file, or the key store cannot be used.
    """
    if not (folder / SERVER).is_file():
        raise StudyError(message("The database of {folder} is in its folder and needs no login.", folder=folder))
    from core.store.postgresql.address import read_address
    from core.store.postgresql.login import keep_login as keep

    address = read_address(folder)
    keep(address, user, password)
    return address.server
