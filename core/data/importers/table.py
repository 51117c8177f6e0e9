"""Reader of foreign tables: rows that contain their position, values whose errors describe the defect."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from core.data.importers.table_text import (
    encoding_of,
    first_lines,
    header_line,
    key_of,
    separator_of,
    text_of,
    unwrapped,
)
from core.domain.errors import BadTableError
from core.domain.messages import Sentence, joined, message
from core.domain.spreadsheet import read_guarded

LARGEST_CELL = 16 * 2**20
"""Bytes; a fine annotation of many strokes is one cell."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_GROUPED_COMMA = re.compile(r"[+-]?\d{1,3}(?:([.\s'\u2019])\d{3}(?:\1\d{3})*)?(,\d+)?")
_GROUPED_POINT = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+")
"""Numbers with thousands apart: ``1.040,5``, ``1 040,5`` where a comma is the decimal mark; ``1,040.5``."""
E_co = TypeVar("E_co", bound=StrEnum)


class Row:
    """One row of a table: cells by column name, "" where a cell is missing.

    Names are compared without case, and ``_``, ``-`` and spaces are the same.
    """

    def __init__(self, number: int, cells: dict[str, str], *, decimal_comma: bool = False) -> None:
        self.number = number
        self.cells = {key_of(name): cell for name, cell in cells.items()}
        self.decimal_comma = decimal_comma
        """A comma in a number is a decimal comma, since it separates no cells."""

    @property
    def where(self) -> str:
        return f"row {self.number}"

    def __getitem__(self, column: str) -> str:
        return self.cells[key_of(column)]

    def get(self, column: str, default: str = "") -> str:
        return self.cells.get(key_of(column), default)

    def required(self, column: str) -> str:
        """ValueError where the cell is empty."""
        value = self.get(column)
        if not value:
            raise ValueError(message("the column {column} is empty.", column=column))
        return value


def read_table(path: Path, *, required: Sequence[str]) -> Iterator[Row]:
    """Return the rows of a CSV as written by programs and spreadsheets; the header is row 1.

    Cells are separated by commas, semicolons, tabs or bars. Row numbers count lines of cells, Excel's ``sep=``
    line and titles above the header among them. Blank rows are skipped. The quote that protects a cell from being
    run as a formula is removed.

    Raises: BadTableError if it is no table, lacks a required column or has one twice.
    """
    before, separator, header, lines = _opened(path, required)
    refuse_missing(path, required, header)
    refuse_twice(path, header)
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        rows = []
        for number, cells in enumerate(lines, start=before + 2):
            while len(cells) > len(header) and not cells[-1].strip():
                cells.pop()
            if len(cells) > len(header):
                raise BadTableError(_too_many(path, number, len(cells), len(header)))
            if any(cell.strip() for cell in cells):
                padded = [*cells, *[""] * (len(header) - len(cells))]
                texts = {name: _plain(cell) for name, cell in zip(header, padded, strict=True) if name}
                rows.append(Row(number, texts, decimal_comma=separator != ","))
    except csv.Error as error:
        raise _unreadable(path, error) from error
    finally:
        csv.field_size_limit(limit)
    return iter(rows)


def _opened(path: Path, required: Sequence[str]) -> tuple[int, str, list[str], Iterator[list[str]]]:
    """Lines before the header, separator, names of the columns, and the lines after the header."""
    text = unwrapped(text_of(path))
    before, separator = first_lines(text)
    before = header_line(text, before, separator, required)
    source = io.StringIO(text, newline="")
    for _ in range(before):
        source.readline()
    at = source.tell()
    separator = separator or separator_of(source.readline(), required)
    source.seek(at)
    lines = csv.reader(source, delimiter=separator, strict=True)
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        header = [name.strip() for name in next(lines, [])]
    except csv.Error as error:
        raise _unreadable(path, error) from error
    finally:
        csv.field_size_limit(limit)
    while header and not header[-1]:
        header.pop()
    return before, separator, header, lines


def read_columns(path: Path, *, required: Sequence[str], wanted: Sequence[str] = ()) -> Iterator[Row]:
    """The required and the wanted columns of a CSV of any length, one row at a time.

    For tables of hundreds of columns and thousands of rows, of which a few columns are needed. BadTableError as
    ``read_table`` raises it, though for a row only when it is reached.
    """
    try:
        with path.open("rb") as start:
            encoding = encoding_of(start.read(4096)) or "utf-8-sig"
        with path.open(encoding=encoding, newline="") as file:
            separator = separator_of(file.readline(), required)
            file.seek(0)
            lines = csv.reader(file, delimiter=separator, strict=True)
            header = next(lines, [])
            refuse_missing(path, required, header)
            keys = [key_of(name) for name in header]
            places = [(keys.index(key_of(name)), name) for name in (*required, *wanted) if key_of(name) in keys]
            for number, cells in enumerate(lines, start=2):
                if len(cells) > len(header):
                    raise BadTableError(_too_many(path, number, len(cells), len(header)))
                if cells:
                    texts = {name: _plain(cells[at]) if at < len(cells) else "" for at, name in places}
                    yield Row(number, texts, decimal_comma=separator != ",")
    except OSError as error:
        raise BadTableError(
            message("{path} cannot be read ({reason}); choose another table.", path=path, reason=error.strerror)
        ) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadTableError(
            message("{file} is not a readable table; save it as CSV in UTF-8.", file=path.name)
        ) from error


def refuse_missing(path: Path, required: Sequence[str], header: Sequence[str]) -> None:
    """BadTableError where a required column is not among the header."""
    keys = {key_of(name) for name in header}
    missing = [name for name in required if key_of(name) not in keys]
    if missing:
        raise BadTableError(
            message("{file} lacks the column {column}.", file=path.name, column=missing[0])
            if len(missing) == 1
            else message("{file} lacks the columns {columns}.", file=path.name, columns=", ".join(missing))
        )


def refuse_twice(path: Path, header: Sequence[str]) -> None:
    """BadTableError where two columns have one name: nobody knows which of them counts."""
    keys = [key_of(name) for name in header if name]
    twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
    if twice is not None:
        raise BadTableError(
            message(
                "{file} has the column {column!r} twice; delete or rename one of them.",
                file=path.name,
                column=twice,
            )
        )


def _too_many(path: Path, number: int, cells: int, headings: int) -> Sentence:
    return message(
        "{file}, row {number}, has {cells} cells under {headings} headings.",
        file=path.name,
        number=number,
        cells=cells,
        headings=headings,
    )


def header_of(path: Path, *, required: Sequence[str] = ()) -> tuple[str, ...]:
    """The column names of a table, in lower case; of the first line with the required ones."""
    return tuple(name.lower() for name in _opened(path, required)[2] if name)


def _unreadable(path: Path, error: csv.Error) -> BadTableError:
    return BadTableError(
        message("{file} is not a readable table ({error}); save it as CSV in UTF-8.", file=path.name, error=error)
    )


def _pointed(text: str, *, decimal_comma: bool) -> str:
    """A number as ``float`` reads it."""
    if decimal_comma:
        grouped = _GROUPED_COMMA.fullmatch(text)
        if grouped is not None and grouped[1] and (grouped[2] or grouped[1] != "."):
            text = text.replace(grouped[1], "")
        if _DECIMAL_COMMA.fullmatch(text):
            return text.replace(",", ".")
    return text.replace(",", "") if _GROUPED_POINT.fullmatch(text) else text


def _plain(cell: str) -> str:
    return read_guarded(cell.strip())


def member(row: Row, column: str, words: type[E_co], *, otherwise: E_co | None = None) -> E_co | None:
    """The word of a cell; None where it is empty; ValueError (or ``otherwise``) where it is not known."""
    text = row.get(column)
    if not text:
        return None
    for word in words:
        if text.lower() == word.value.lower():
            return word
    if otherwise is not None:
        return otherwise
    raise ValueError(
        message(
            "{text!r} is not a known {column}; use one of {known}.",
            text=text[:40],
            column=column,
            known=", ".join(w.value for w in words),
        )
    )


def parsed_number(row: Row, column: str, *, smallest: float, largest: float) -> float | None:
    """The number in a cell; None where it is empty; ValueError outside the limits.

    A decimal comma is read where commas do not separate the cells; elsewhere ``1,234`` might be a thousand.
    Thousands may stand apart (``1.040,5``, ``1 040,5``, ``1,040.5``) where a decimal mark follows them or no mark
    could: ``1.040`` alone is read as a number below two.
    """
    text = row.get(column)
    if not text:
        return None
    comma = _DECIMAL_COMMA.fullmatch(text) is not None
    try:
        value = float(_pointed(text.replace("\u2212", "-"), decimal_comma=row.decimal_comma))
    except ValueError:
        value = math.nan
    if smallest <= value <= largest:
        return value
    wrong = message(
        "{text!r} is not a valid {column}; give a number from {smallest:g} to {largest:g}.",
        text=text[:40],
        column=column,
        smallest=smallest,
        largest=largest,
    )
    if comma and not row.decimal_comma:
        hint = message(
            "Write it with a decimal point: a decimal comma is read only where semicolons, tabs or bars separate "
            "the cells."
        )
        raise ValueError(joined([wrong, hint]))
    raise ValueError(wrong)
