"""CSV that a spreadsheet opens without running anything (CWE-1236, OWASP ASVS 1.2.10)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\x00")

Cell = str | int | float | bool | None


def csv_cell(value: Cell) -> str:
    """The text of one cell. Numbers stay numbers; text that a spreadsheet could run gets a leading quote."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    return f"'{value}" if value.startswith(_TRIGGERS) or value.startswith("'") else value


def read_cell(text: str) -> str:
    """Inverse of ``csv_cell`` for text."""
    return text[1:] if text.startswith("'") else text


def csv_document(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 CSV with a heading row."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([csv_cell(column) for column in columns])
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return buffer.getvalue().encode()
