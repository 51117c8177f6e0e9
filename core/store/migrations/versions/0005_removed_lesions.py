"""Removed lesions are kept, so that they can be put back; the trail is found by subject.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "removed_lesion",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("patient_id", sa.String(64), nullable=False),
        sa.Column("removed_utc", sa.String(40), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_removed_lesion"),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name="fk_removed_lesion_patient_id_patient"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_index("ix_removed_lesion_patient_id", "removed_lesion", ["patient_id"])
