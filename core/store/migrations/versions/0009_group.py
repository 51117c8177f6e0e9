"""Lesions are assigned to readers, and a consensus is kept with its provenance.

Revision ID: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_WHY = "revisions of a consensus never change"


def upgrade() -> None:
    op.create_table(
        "assignment",
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("reader_id", sa.String(64), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.Column("finished_utc", sa.String(40)),
        sa.Column("labels", sa.Text()),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lesion_id", "reader_id", name="pk_assignment"),
        _reference("assignment", "lesion_id", "lesion"),
        _reference("assignment", "reader_id", "reader"),
    )
    op.create_index("ix_assignment_reader_id", "assignment", ["reader_id"])
    op.create_table(
        "consensus",
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("reader_id", sa.String(64)),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("drawn_by", sa.String(64)),
        sa.Column("drawn_revision", sa.Integer(), nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("lesion_id", "revision", name="pk_consensus"),
        _reference("consensus", "lesion_id", "lesion"),
        _reference("consensus", "reader_id", "reader"),
        _reference("consensus", "drawn_by", "reader"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER consensus_no_update BEFORE UPDATE ON consensus "
            f"BEGIN SELECT RAISE(ABORT, '{_WHY}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION consensus_no_update() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_WHY}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER consensus_no_update BEFORE UPDATE ON consensus "
        "FOR EACH ROW EXECUTE FUNCTION consensus_no_update()"
    )


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")
