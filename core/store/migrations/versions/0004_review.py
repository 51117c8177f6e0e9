"""Readings and verdicts of Review have tables of their own; verdicts that only the audit trail held are copied.

Labels that earlier versions made of a reading in Review stay labels: nothing tells them from others.

Revision ID: 0004
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_reading",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("reader_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("revision_id", sa.String(64), nullable=False),
        sa.Column("label", sa.String(16), nullable=False),
        sa.Column("word", sa.String(32), nullable=False),
        sa.Column("probability_of_malignancy", sa.Float()),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.Column("withdrawn_utc", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_case_reading"),
        sa.UniqueConstraint("seq", name="uq_case_reading_seq"),
        _reference("case_reading", "lesion_id", "lesion"),
        _reference("case_reading", "reader_id", "reader"),
        _reference("case_reading", "run_id", "run"),
    )
    for column in ("lesion_id", "reader_id"):
        op.create_index(f"ix_case_reading_{column}", "case_reading", [column])
    op.create_table(
        "opinion",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("lesion_id", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("revision_id", sa.String(64), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(32), nullable=False),
        sa.Column("prototype", sa.Integer()),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_utc", sa.String(40), nullable=False),
        sa.Column("withdrawn_utc", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_opinion"),
        sa.UniqueConstraint("seq", name="uq_opinion_seq"),
        _reference("opinion", "lesion_id", "lesion"),
        _reference("opinion", "run_id", "run"),
    )
    for column in ("lesion_id", "run_id"):
        op.create_index(f"ix_opinion_{column}", "opinion", [column])
    _copy_opinions()


def _copy_opinions() -> None:
    """Copy the opinions of the audit trail whose lesion and run are still there. A reader's newest verdict on a
    lesion stands; earlier ones count as taken back when it was given."""
    connection = op.get_bind()
    lesions = set(connection.execute(sa.text("SELECT id FROM lesion")).scalars())
    runs = set(connection.execute(sa.text("SELECT id FROM run")).scalars())
    given_ones = "action = 'review.opinion' AND new IS NOT NULL"
    records = connection.execute(
        sa.text(f"SELECT at_utc, who, new FROM audit WHERE {given_ones} ORDER BY counter")
    ).all()
    rows: list[dict[str, object]] = []
    standing: dict[tuple[object, ...], dict[str, object]] = {}
    for record in records:
        given = json.loads(record.new)
        if given["lesion_id"] not in lesions or given["run_id"] not in runs:
            continue
        names = ("lesion_id", "run_id", "verdict", "prototype", "comment", "revision_id")
        row = {"prototype": None, "comment": "", "revision_id": ""} | {k: given[k] for k in names if k in given}
        row |= {"seq": len(rows) + 1, "who": record.who, "created_utc": record.at_utc, "withdrawn_utc": None}
        if given["verdict"] != "comment":
            key = (given["lesion_id"], given["run_id"], record.who)
            if key in standing:
                standing[key]["withdrawn_utc"] = record.at_utc
            standing[key] = row
        rows.append(row)
    if rows:
        op.bulk_insert(sa.table("opinion", *(sa.column(name) for name in rows[0])), rows)


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=f"fk_{table}_{column}_{other}")
