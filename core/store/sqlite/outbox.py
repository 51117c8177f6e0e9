"""The file that keeps what a server has not confirmed."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

from core.domain.errors import StorageFullError
from core.domain.messages import message
from core.domain.shapes import Shape, encode_shapes
from core.platform.atomic import make_folder

_TABLE = """
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT, lesion_id TEXT NOT NULL, reader_id TEXT NOT NULL, who TEXT NOT NULL,
    shapes TEXT NOT NULL, refused TEXT NOT NULL DEFAULT ''
)
"""


class OutboxFile:
    """Usable from any thread."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        path.touch(mode=0o600, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "fullfsync=ON", "secure_delete=ON"):
            self._database.execute(f"PRAGMA {pragma}")
        self._run(_TABLE)

    def put(self, lesion_id: str, reader_id: str, who: str, shapes: tuple[Shape, ...]) -> None:
        text = encode_shapes(shapes).decode()
        statement = "INSERT INTO kept (lesion_id, reader_id, who, shapes) VALUES (?, ?, ?, ?)"
        self._run(statement, lesion_id, reader_id, who, text)

    def rows(self) -> list[tuple[Any, ...]]:
        return self._run("SELECT number, lesion_id, reader_id, who, shapes, refused FROM kept ORDER BY number")

    def remove(self, number: int) -> None:
        self._run("DELETE FROM kept WHERE number = ?", number)

    def refuse(self, number: int, why: str) -> None:
        self._run("UPDATE kept SET refused = ? WHERE number = ?", why, number)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageFullError(
                message(
                    "{file} in {folder} could not be written ({error}): what was drawn last is "
                    "neither at the server nor on this computer. Make room and draw it again.",
                    file=self._path.name,
                    folder=self._path.parent,
                    error=error,
                )
            ) from error
