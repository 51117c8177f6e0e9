"""Which layout a study has, and bringing it up to the program's.

The migrations are Alembic's, applied from here and never by hand: in one transaction, after a copy of the old
database was put into ``backup``.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, select, text
from sqlalchemy import table as sql_table

from core.domain.errors import BadFileError, StorageFullError, StudyError
from core.platform.atomic import atomic_write, make_folder
from core.store.database import make_engine, translated
from core.store.layout import refuse_foreign

HEAD = "0007"
"""Layout of this program; numbers grow with every migration."""

BACKUPS = "backup"
_MIGRATIONS = Path(__file__).with_name("migrations")


def layout(path: Path) -> str:
    """Layout of the database at ``path``, empty for one without tables; BadFileError where it is no study."""
    engine = make_engine(path, writable=False)
    try:
        with translated(path), engine.connect() as connection:
            master = sql_table("sqlite_master")
            names = set(connection.execute(select(text("name")).select_from(master)).scalars())
            if not names:
                return ""
            if "alembic_version" not in names or "study_info" not in names:
                raise BadFileError(f"{path} is a database, but not that of a study; choose the folder of a study.")
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
            return str(version or "")
    finally:
        engine.dispose()


def make_database(path: Path) -> None:
    """A new database of the present layout."""
    with translated(path):
        path.touch(mode=0o600, exist_ok=False)
        _migrate(path)


def bring_up_to_date(path: Path, *, writable: bool) -> Path | None:
    """Upgrade an older database; the copy of the old one, or None where there was nothing to do.

    StudyError for a layout newer than the program's, and for an older one that is opened for reading only.
    """
    version = layout(path)
    refuse_foreign(path, version, writable=writable)
    if version == HEAD:
        return None
    if version > HEAD:
        raise StudyError(
            f"The study in {path.parent} was made by a newer version of Marginalia (layout {version}; this "
            f"program knows {HEAD}). Open it with that version; nothing was changed."
        )
    if not writable:
        raise StudyError(
            f"The study in {path.parent} has the older layout {version}. Open it once for writing to upgrade it "
            f"to {HEAD}; a copy of the old database is kept."
        )
    copy = _back_up(path, version)
    with translated(path):
        _migrate(path)
        _give_back_space(path)
    return copy


def _back_up(path: Path, version: str) -> Path:
    folder = path.parent / BACKUPS
    make_folder(folder)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    target = folder / f"{path.stem}-{version}-{stamp}{path.suffix}"

    def copy(temporary: Path) -> None:
        temporary.chmod(0o600)
        source, copied = sqlite3.connect(path), sqlite3.connect(temporary)
        try:
            source.backup(copied)
        except sqlite3.Error as error:
            raise StorageFullError(
                f"A copy of {path.name} could not be written to {folder}: the disk is full or failing. The study "
                "was not upgraded and nothing was changed; make room and try again."
            ) from error
        finally:
            copied.close()
            source.close()

    atomic_write(target, copy)
    return target


def _migrate(path: Path) -> None:
    engine = make_engine(path, writable=True)
    try:
        with engine.connect() as connection:
            # tables are rebuilt by copying; references are checked once at the end instead of in between
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF").close()
            with connection.begin():
                _run_migrations(connection)
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise StudyError(
                        f"{path.name} in {path.parent} could not be upgraded: it holds references to things "
                        "that are not there. Nothing was changed; run 'check' with the version that made it."
                    )
            connection.invalidate()
    finally:
        engine.dispose()


def _give_back_space(path: Path) -> None:
    """Shrink a database that an upgrade left half empty; every backup would carry the empty pages."""
    engine = make_engine(path, writable=True)
    try:
        with engine.connect() as connection:
            run = connection.connection.cursor().execute
            free, pages = (int(run(f"PRAGMA {name}").fetchone()[0]) for name in ("freelist_count", "page_count"))
            if free > pages // 2:
                run("VACUUM").close()
    finally:
        engine.dispose()


def _run_migrations(connection: Connection) -> None:
    # Alembic costs a quarter of a second and is needed for new and for old studies only
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_MIGRATIONS))
    context = MigrationContext.configure(
        connection, opts={"fn": lambda revision, context: scripts._upgrade_revs(HEAD, revision)}
    )
    with Operations.context(context):
        context.run_migrations()
