"""The tables, indexes and triggers that a study's database may have, held against what a file has.

A foreign database can have a view in the place of a table, whose rows never end, or triggers of its own, which run
when something is written. Neither is used: names and definitions are compared before the first query.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import msgspec

from core.domain.errors import BadFileError
from core.domain.messages import message
from core.store.backend import LayoutDifference

_FILE = Path(__file__).parents[1] / "layouts.json"
_MOST_PARTS, _LONGEST_SQL = 500, 100_000

Parts = dict[str, tuple[str, str]]
"""Kind and definition of every part of a database, by name."""


def parts_of(database: sqlite3.Connection) -> Parts:
    """The parts of a database; BadFileError where there are far more than a study has."""
    rows = database.execute(
        "SELECT name, type, substr(sql, 1, ?) FROM sqlite_master WHERE sql IS NOT NULL LIMIT ?",
        (_LONGEST_SQL, _MOST_PARTS),
    ).fetchall()
    if len(rows) == _MOST_PARTS:
        raise BadFileError(
            message("study.db has far more tables than a study has; it was not made by this program.")
        )
    # some versions of SQLite quote the names that others do not
    return {str(name): (str(kind), " ".join(str(sql).replace('"', "").split())) for name, kind, sql in rows}


@lru_cache(maxsize=1)
def layouts() -> dict[str, Parts]:
    """The parts of every layout that there was, by version."""
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, Parts])


def differences(path: Path, version: str) -> tuple[LayoutDifference, ...]:
    """Return the differences, by name, between the database at ``path`` and the layout of this version."""
    wanted = layouts().get(version)
    if wanted is None:
        return ()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        found = parts_of(database)
    different = []
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            kind = (wanted.get(name) or found[name])[0]
            what = "missing" if name not in found else "added" if name not in wanted else "changed"
            different.append(LayoutDifference(kind=kind, name=name, what=what))
    return tuple(different)


def refuse_foreign(path: Path, version: str, *, writable: bool) -> None:
    """BadFileError where a table of the layout is something else, and, for writing, for foreign triggers.

    For reading, parts that are never asked for do no harm: ``check`` reports them.
    """
    for one in differences(path, version):
        table = one.kind == "table" and one.what != "added"
        if table or (writable and one.kind in ("trigger", "view", "index") and one.what != "missing"):
            raise BadFileError(
                message(
                    "{file} in {folder} {problem}: it was changed by another program and was not "
                    "opened. Restore the study from a backup.",
                    file=path.name,
                    folder=path.parent,
                    problem=one.sentence,
                )
            )
