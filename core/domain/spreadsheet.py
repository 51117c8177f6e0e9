"""CSV that a spreadsheet opens without running anything (CWE-1236, OWASP ASVS 1.2.10)."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

# also the full-width forms, which some spreadsheets read as the plain ones
_TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\x00", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# a spreadsheet that separates by another character begins a cell in the middle of ours
_AFTER_SEPARATOR = re.compile(r"([;,|\t\r\n]\s*)(?='*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_QUOTED = re.compile(r"([;,|\t\r\n]\s*)'(?='*[=+\-@\uff1d\uff0b\uff0d\uff20])")

Cell = str | int | float | bool | None


def csv_cell(value: Cell) -> str:
    """The text of one cell. Numbers stay numbers; text that a spreadsheet could run gets a leading quote."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    value = _AFTER_SEPARATOR.sub(r"\1'", value)
    return f"'{value}" if value.startswith((*_TRIGGERS, "'", " ")) else value


def read_cell(text: str) -> str:
    """Inverse of ``csv_cell`` for text."""
    return _QUOTED.sub(r"\1", text[1:] if text.startswith("'") else text)


def read_guarded(text: str) -> str:
    """``read_cell`` for a table of unknown origin: only a quote that guards something is taken off.

    ``'tis`` of another program stays as it is; ours is written as ``''tis``.
    """
    guarded = text.startswith("'") and text[1:].startswith((*_TRIGGERS, "'", " "))
    return _QUOTED.sub(r"\1", text[1:] if guarded else text)


def csv_document(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """UTF-8 CSV with a heading row."""
    buffer = io.StringIO(newline="")
    # a cell with a carriage return is quoted only where one ends the line
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow([csv_cell(column) for column in columns])
    writer.writerows([csv_cell(value) for value in row] for row in rows)
    return buffer.getvalue().encode()
