"""A server keeps who is on which case (``core.store.postgresql.presence``), which is no row of a study.

The tables of a study stay as they are. The new number has a server's own tables and rights made again.

Revision ID: 0010
"""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes."""
