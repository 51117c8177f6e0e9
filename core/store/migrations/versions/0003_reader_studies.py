"""Reader studies: lesions read without and then with a model.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reader_study",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("revision_id", sa.String(64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reader_study"),
        sa.UniqueConstraint("seq", name="uq_reader_study_seq"),
        sa.UniqueConstraint("name", name="uq_reader_study_name"),
        _reference("reader_study", "run_id", "run"),
        _reference("reader_study", "revision_id", "model_revision"),
    )
    op.create_table(
        "reader_study_case",
        sa.Column("reader_study_id", sa.String(64), nullable=False),
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("reader_study_id", "lesion_id", name="pk_reader_study_case"),
        _reference("reader_study_case", "reader_study_id", "reader_study"),
        _reference("reader_study_case", "lesion_id", "lesion"),
    )
    op.create_table(
        "reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("reader_study_id", sa.String(64), nullable=False),
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("reader_id", sa.String(64), nullable=False),
        sa.Column("condition", sa.String(16), nullable=False),
        sa.Column("margin", sa.String(32), nullable=False),
        sa.Column("probability_of_malignancy", sa.Float(), nullable=False),
        sa.Column("trust", sa.Integer()),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reading"),
        sa.UniqueConstraint("seq", name="uq_reading_seq"),
        sa.UniqueConstraint(
            "reader_study_id", "lesion_id", "reader_id", "condition", name="uq_reading_reader_study_id"
        ),
        _reference("reading", "reader_study_id", "reader_study"),
        _reference("reading", "lesion_id", "lesion"),
        _reference("reading", "reader_id", "reader"),
    )


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")
