"""Layouts of a study, and the migrations from one to the next: Alembic's, applied from here and never by hand.

``core.store.sqlite.upgrade`` and ``core.store.postgresql.upgrade`` run them, each after a copy was made.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from core.domain.errors import StudyError
from core.domain.messages import message

HEAD = "0010"
"""Layout of this program; numbers grow with every migration."""

BACKUPS = "backup"
_MIGRATIONS = Path(__file__).with_name("migrations")


def refuse_layout(place: object, version: str, *, writable: bool) -> None:
    """StudyError for a layout newer than the program's, and for an older one that is opened for reading only."""
    if version > HEAD:
        raise StudyError(
            message(
                "The study in {place} was made by a newer version of Marginalia (layout {version}; this "
                "program knows {head}). Open it with that version; nothing was changed.",
                place=place,
                version=version,
                head=HEAD,
            )
        )
    if not writable:
        raise StudyError(
            message(
                "The study in {place} has the older layout {version}. Open it once for writing to upgrade it "
                "to {head}; a copy of the old database is kept.",
                place=place,
                version=version,
                head=HEAD,
            )
        )


def run_migrations(connection: Connection, version: str) -> None:
    """Bring the database up to this layout, within the connection's transaction."""
    # Alembic costs a quarter of a second and is needed for new and for old studies only
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_MIGRATIONS))
    context = MigrationContext.configure(
        connection, opts={"fn": lambda revision, context: scripts._upgrade_revs(version, revision)}
    )
    with Operations.context(context):
        context.run_migrations()
