"""Which layout a schema has, and bringing it up to the program's: in one transaction, which only one program does
at a time, after a copy of the old rows was put into ``backup``."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from core.domain.errors import BadFileError, StudyError, StudyLockedError
from core.domain.messages import message
from core.platform.atomic import atomic_write, make_folder
from core.store import upgrade
from core.store.backend import hold
from core.store.postgresql.address import Address
from core.store.postgresql.connecting import application_name
from core.store.postgresql.rights import make_rights
from core.store.sqlite.copies import copy_to_file

_TEXTS = """
    SELECT c.table_name, c.column_name, format_type(a.atttypid, a.atttypmod) AS type
    FROM information_schema.columns c
    JOIN pg_attribute a ON a.attrelid = format('%I.%I', c.table_schema, c.table_name)::regclass
        AND a.attname = c.column_name
    WHERE c.table_schema = current_schema() AND c.data_type IN ('character varying', 'text')
        AND c.collation_name IS DISTINCT FROM 'C'
    ORDER BY c.table_name, c.ordinal_position
"""
_SEEDS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = current_schema() AND column_name = 'seed' AND data_type = 'integer'
"""


def layout(connection: Connection, address: Address) -> str:
    """Layout of the schema, empty for one without tables; BadFileError where it is not that of a study."""
    tables = text("SELECT table_name FROM information_schema.tables WHERE table_schema = :name")
    names = set(connection.execute(tables, {"name": address.schema}).scalars())
    if not names:
        return ""
    if "alembic_version" not in names or "study_info" not in names:
        raise BadFileError(
            message("{address} is a schema, but not that of a study; check the address.", address=address)
        )
    version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return str(version or "")


def make_schema(engine: Engine, address: Address) -> None:
    """Make the schema of a new study, of the present layout; StudyError where there is one of this name."""
    exists = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
    with engine.begin() as connection:
        if connection.execute(exists, {"name": address.schema}).first() is not None:
            raise StudyError(message("The server has {address} already; choose another name.", address=address))
        connection.exec_driver_sql(f'CREATE SCHEMA "{address.schema}"')
        _migrate(connection, address, upgrade.HEAD)


def drop_schema(engine: Engine, address: Address) -> None:
    """Delete the schema with everything in it."""
    with engine.begin() as connection:
        connection.exec_driver_sql(f'DROP SCHEMA IF EXISTS "{address.schema}" CASCADE')


def bring_up_to_date(engine: Engine, address: Address, folder: Path, *, writable: bool) -> Path | None:
    """Upgrade an older schema; the copy of the old rows, or None where there was nothing to do.

    StudyError for a layout newer than the program's, for an older one that is opened for reading only, and where
    there is no such schema; StudyLockedError while other programs have the study open.
    """
    with engine.connect() as connection:
        version = layout(connection, address)
    if version == upgrade.HEAD:
        return None
    if not version:
        raise StudyError(
            message(
                "The server has no study {address}: it was deleted or moved. Ask its administrator.",
                address=address,
            )
        )
    upgrade.refuse_layout(folder, version, writable=writable)
    with engine.begin() as connection:
        hold(connection, "upgrade")
        version = layout(connection, address)
        if version == upgrade.HEAD:  # another program did it meanwhile
            return None
        _refuse_others(connection, address)
        copy = _back_up(connection, folder, version)
        _migrate(connection, address, upgrade.HEAD)
    return copy


def _refuse_others(connection: Connection, address: Address) -> None:
    others = text(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name AND datname = current_database() "
        "AND pid <> pg_backend_pid()"
    )
    number = connection.execute(others, {"name": application_name(address)}).scalar_one()
    if number:
        raise StudyLockedError(
            message(
                "{address} must be upgraded, and {number} other connections have it open. Close the study at the "
                "other workstations, then open it again; nothing was changed.",
                address=address,
                number=number,
            )
        )


def _back_up(connection: Connection, folder: Path, version: str) -> Path:
    make_folder(folder / upgrade.BACKUPS)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / upgrade.BACKUPS / f"study-{version}-{stamp}.db"

    def write(temporary: Path) -> None:
        making = temporary.with_name(f"{temporary.name}.{uuid.uuid4().hex}")
        try:
            copy_to_file(connection, making, version)
            making.replace(temporary)
        finally:
            making.unlink(missing_ok=True)

    atomic_write(target, write)
    return target


def _migrate(connection: Connection, address: Address, version: str) -> None:
    upgrade.run_migrations(connection, version)
    _settle(connection)
    make_rights(connection, address.schema)


def _settle(connection: Connection) -> None:
    """Make columns what those of a file are: texts ordered by their bytes, whatever the server's language, and
    whole numbers of any size where people choose them."""
    changes: dict[str, list[str]] = {}
    for row in connection.execute(text(_TEXTS)):
        changes.setdefault(row.table_name, []).append(f'"{row.column_name}" TYPE {row.type} COLLATE "C"')
    for row in connection.execute(text(_SEEDS)):
        changes.setdefault(row.table_name, []).append(f'"{row.column_name}" TYPE bigint')
    for table, columns in changes.items():
        alter = ", ".join(f"ALTER COLUMN {column}" for column in columns)
        connection.exec_driver_sql(f'ALTER TABLE "{table}" {alter}')
