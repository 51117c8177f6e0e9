"""Names of a study's schema that no file has."""

from __future__ import annotations

MEMBERS = "member"
"""Table of the logins that have rights in the study."""
PRESENCE = "presence"
"""Table of who is on which case now."""
OWN_TABLES = frozenset({"alembic_version", MEMBERS, PRESENCE})
"""Tables that are the server's own and no rows of the study."""
OWN_TRIGGERS = {"audit_follows": "audit"}
"""Triggers beside those of a file, with their table."""
