"""Revisions of annotations are stored as changes; how many were committed since a time is found by an index.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.store.stored_shapes import StoredShapes

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ANNOTATION = sa.table(
    "annotation", sa.column("lesion_id"), sa.column("reader_id"), sa.column("revision"), sa.column("shapes")
)


def upgrade() -> None:
    # the same guard again afterwards: what the revisions say stays
    on_file = op.get_bind().dialect.name == "sqlite"
    op.execute(
        "DROP TRIGGER annotation_no_update"
        if on_file
        else "ALTER TABLE annotation DISABLE TRIGGER annotation_no_update"
    )
    _store_changes()
    op.execute(
        "CREATE TRIGGER annotation_no_update BEFORE UPDATE ON annotation "
        "BEGIN SELECT RAISE(ABORT, 'revisions of an annotation never change'); END"
        if on_file
        else "ALTER TABLE annotation ENABLE TRIGGER annotation_no_update"
    )
    op.create_index("ix_annotation_created_utc", "annotation", ["created_utc"])


def _store_changes() -> None:
    connection, c = op.get_bind(), _ANNOTATION.c
    owners = sa.select(c.lesion_id, c.reader_id).group_by(c.lesion_id, c.reader_id)
    for lesion_id, reader_id in connection.execute(owners).all():
        own = sa.and_(c.lesion_id == lesion_id, c.reader_id == reader_id)
        stored = StoredShapes()
        numbers = connection.execute(sa.select(c.revision).where(own).order_by(c.revision)).scalars().all()
        for number in numbers:
            here = sa.and_(own, c.revision == number)
            text = connection.execute(sa.select(c.shapes).where(here)).scalar_one()
            try:
                shorter = stored.write(text)
            except ValueError:  # damaged before: it stays as it is, and `check` names it
                stored = StoredShapes()
                continue
            if shorter != text:
                connection.execute(sa.update(_ANNOTATION).where(here).values(shapes=shorter))
