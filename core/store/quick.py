"""Reading a few rows of a study before anything heavy is loaded: names that a command line gives are looked up."""

from __future__ import annotations

from pathlib import Path

from core.store.names import DATABASE, SERVER
from core.store.sqlite.quick import quick_rows as rows_of_file
from core.store.sqlite.quick import quick_study_id as id_in_file


def quick_rows(folder: Path, statement: str, values: tuple[str, ...] = ()) -> list[tuple[str, ...]] | None:
    """The rows of a query with ``?`` for each value; None where the database cannot be read in this way."""
    if (folder / SERVER).is_file():
        from core.store.postgresql.quick import quick_rows as rows_of_server

        return rows_of_server(folder, statement, values)
    return rows_of_file(folder / DATABASE, statement, values)


def quick_study_id(folder: Path) -> str:
    """The identifier of the study; "" where it cannot be read.

    Of a study on a server that is its address: nobody is connected to only to see whether a folder is known.
    """
    if (folder / SERVER).is_file():
        from core.store.postgresql.address import read_address

        address = read_address(folder)
        return f"{address.server} {address.schema} {address.tls}"
    return id_in_file(folder / DATABASE)
