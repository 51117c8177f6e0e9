"""Which layout a database file has, and bringing it up to the program's: in one transaction, after a copy of the
old database was put into ``backup``."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlalchemy import select, text
from sqlalchemy import table as sql_table

from core.domain.errors import BadFileError, StorageFullError, StudyError
from core.domain.messages import message
from core.platform.atomic import atomic_write, make_folder
from core.store import upgrade
from core.store.backend import translated
from core.store.sqlite.engine import make_engine, sentence
from core.store.sqlite.layout import refuse_foreign


def layout(path: Path) -> str:
    """Layout of the database at ``path``, empty for one without tables; BadFileError where it is no study."""
    engine = make_engine(path, writable=False)
    try:
        with translated(partial(sentence, path=path)), engine.connect() as connection:
            master = sql_table("sqlite_master")
            rows = connection.execute(select(text("name"), text("type")).select_from(master)).all()
            if not rows:
                return ""
            # a view of this name could be one whose rows never come
            if not {("alembic_version", "table"), ("study_info", "table")} <= {(one[0], one[1]) for one in rows}:
                raise BadFileError(
                    message(
                        "{path} is a database, but not that of a study; choose the folder of a study.", path=path
                    )
                )
            version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
            return str(version or "")
    finally:
        engine.dispose()


def make_database(path: Path, version: str = "") -> None:
    """A new database of this layout; of the present one where none is given."""
    with translated(partial(sentence, path=path)):
        path.touch(mode=0o600, exist_ok=False)
        _migrate(path, version or upgrade.HEAD)


def bring_up_to_date(path: Path, *, writable: bool) -> Path | None:
    """Upgrade an older database; the copy of the old one, or None where there was nothing to do.

    StudyError for a layout newer than the program's, and for an older one that is opened for reading only.
    """
    version = layout(path)
    refuse_foreign(path, version, writable=writable)
    if version == upgrade.HEAD:
        return None
    upgrade.refuse_layout(path.parent, version, writable=writable)
    copy = _back_up(path, version)
    with translated(partial(sentence, path=path)):
        _migrate(path, upgrade.HEAD)
        _give_back_space(path)
    return copy


def _back_up(path: Path, version: str) -> Path:
    folder = path.parent / upgrade.BACKUPS
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
                message(
                    "A copy of {file} could not be written to {folder}: the disk is full or failing. The study "
                    "was not upgraded and nothing was changed; make room and try again.",
                    file=path.name,
                    folder=folder,
                )
            ) from error
        finally:
            copied.close()
            source.close()

    atomic_write(target, copy)
    return target


def _migrate(path: Path, version: str) -> None:
    engine = make_engine(path, writable=True)
    try:
        with engine.connect() as connection:
            # tables are rebuilt by copying; references are checked once at the end instead of in between
            connection.connection.cursor().execute("PRAGMA foreign_keys=OFF").close()
            with connection.begin():
                upgrade.run_migrations(connection, version)
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise StudyError(
                        message(
                            "{file} in {folder} could not be upgraded: it holds references to things "
                            "that are not there. Nothing was changed; run 'check' with the version that made it.",
                            file=path.name,
                            folder=path.parent,
                        )
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
