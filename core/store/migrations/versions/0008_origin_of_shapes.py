"""Shapes of fine annotations record their origin: drawn, proposed, or proposed and edited.

The tables stay as they are, since shapes are JSON; shapes without an origin were drawn. The new number keeps an
earlier program, which would lose the origins, from writing into the study.

Revision ID: 0008
"""

from __future__ import annotations

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes."""
