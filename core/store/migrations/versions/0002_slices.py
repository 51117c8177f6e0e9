"""Images may be tomosyntheses; a lesion lies on one slice.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # what was there before is a plain mammogram, and its lesions lie on its only slice
    op.add_column("image", sa.Column("frames", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("lesion", sa.Column("frame", sa.Integer(), nullable=False, server_default="0"))
