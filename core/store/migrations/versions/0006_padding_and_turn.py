"""Images keep the range of their padding, the number of their VOI LUTs and how they were turned for display.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("image", sa.Column("padding", sa.Text()))
    op.add_column("image", sa.Column("turn", sa.String(8), nullable=False, server_default=""))
    op.add_column("image", sa.Column("tables", sa.Integer(), nullable=False, server_default="0"))
