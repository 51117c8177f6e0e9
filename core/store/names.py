"""Names in the folder of a study that others must know before they open it; without the database's library."""

from __future__ import annotations

from pathlib import Path

DATABASE, RUNS = "study.db", "runs"
FORGETTING = "forgetting.json"
SERVER = "database.json"
"""Address of the database, in the folder of a study whose database is on a server."""


def database_file(folder: Path) -> Path:
    """Return the file that makes the folder a study: the address of its database, or the database itself."""
    return folder / (SERVER if (folder / SERVER).is_file() else DATABASE)


def is_study(folder: Path) -> bool:
    """Return True if the folder holds the database of a study, or the address of one."""
    return database_file(folder).is_file()
