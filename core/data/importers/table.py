"""Reading CSV tables of foreign hands: rows that know where they stand, values that say what is wrong."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from core.domain.errors import BadTableError

LARGEST_TABLE = 256 * 2**20
LARGEST_CELL = 16 * 2**20
"""Bytes; a fine annotation of many strokes is one cell."""
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
E_co = TypeVar("E_co", bound=StrEnum)


class Row:
    """One row of a table: cells by column name (lower case), "" where a cell is missing."""

    def __init__(self, number: int, cells: dict[str, str]) -> None:
        self.number = number
        self.cells = cells

    @property
    def where(self) -> str:
        return f"row {self.number}"

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def get(self, column: str, default: str = "") -> str:
        return self.cells.get(column, default)

    def required(self, column: str) -> str:
        """ValueError where the cell is empty."""
        value = self.get(column)
        if not value:
            raise ValueError(f"the column {column} is empty.")
        return value


def read_table(path: Path, *, required: Sequence[str]) -> Iterator[Row]:
    """The rows of a UTF-8 CSV, separated by commas or semicolons; the header is row 1.

    BadTableError where it is no table, or lacks a required column. Blank rows are passed over, and the quote
    that guards a cell against being run as a formula is taken off.
    """
    text = _text(path)
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        header = [name.strip().lower() for name in next(lines, [])]
        refuse_missing(path, required, header)
        rows = []
        for number, cells in enumerate(lines, start=2):
            if len(cells) > len(header):
                raise BadTableError(_too_many(path, number, len(cells), len(header)))
            if any(cell.strip() for cell in cells):
                padded = [*cells, *[""] * (len(header) - len(cells))]
                rows.append(Row(number, {name: _plain(cell) for name, cell in zip(header, padded, strict=True)}))
    except csv.Error as error:
        raise _unreadable(path, error) from error
    finally:
        csv.field_size_limit(before)
    return iter(rows)


def read_columns(path: Path, *, required: Sequence[str], wanted: Sequence[str] = ()) -> Iterator[Row]:
    """The required and the wanted columns of a CSV of any length, one row at a time.

    For tables of hundreds of columns and thousands of rows, of which a few columns are needed. BadTableError as
    ``read_table`` raises it, though for a row only when it is reached.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip().lower() for name in next(lines, [])]
            refuse_missing(path, required, header)
            places = [(header.index(name), name) for name in (*required, *wanted) if name in header]
            for number, cells in enumerate(lines, start=2):
                if len(cells) > len(header):
                    raise BadTableError(_too_many(path, number, len(cells), len(header)))
                if cells:
                    texts = {name: _plain(cells[at]) if at < len(cells) else "" for at, name in places}
                    yield Row(number, texts)
    except OSError as error:
        raise BadTableError(f"{path} cannot be read ({error.strerror}); choose another table.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadTableError(f"{path.name} is not a readable table; save it as CSV in UTF-8.") from error


def refuse_missing(path: Path, required: Sequence[str], header: Sequence[str]) -> None:
    """BadTableError where a required column is not among the header."""
    missing = [name for name in required if name not in header]
    if missing:
        raise BadTableError(f"{path.name} lacks the column{'s'[: len(missing) > 1]} {', '.join(missing)}.")


def _too_many(path: Path, number: int, cells: int, headings: int) -> str:
    return f"{path.name}, row {number}, has {cells} cells under {headings} headings."


def header_of(path: Path) -> tuple[str, ...]:
    """The column names of a table, in lower case."""
    text = _text(path)
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    try:
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise _unreadable(path, error) from error
    return tuple(name.strip().lower() for name in names)


def _unreadable(path: Path, error: csv.Error) -> BadTableError:
    return BadTableError(f"{path.name} is not a readable table ({error}); save it as CSV in UTF-8.")


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise BadTableError(f"{path.name} is larger than {LARGEST_TABLE // 2**20} MB, too large for a table.")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadTableError(f"{path} cannot be read ({error.strerror}); choose another table.") from error
    except UnicodeDecodeError as error:
        raise BadTableError(f"{path.name} is not UTF-8 text; save it as CSV in UTF-8.") from error


def _plain(cell: str) -> str:
    cell = cell.strip()
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA_STARTS else cell


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
    raise ValueError(f"{text[:40]!r} is not a known {column}; use one of {', '.join(w.value for w in words)}.")


def parsed_number(row: Row, column: str, *, smallest: float, largest: float) -> float | None:
    """The number in a cell (decimal point); None where it is empty; ValueError outside the limits."""
    text = row.get(column)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not smallest <= value <= largest:
        raise ValueError(f"{text[:40]!r} is no {column}; a number from {smallest:g} to {largest:g} is expected.")
    return value


def the_file(folder: Path, row: Row, column: str = "image") -> Path:
    """The file that a cell names, relative to the folder; ValueError where it is elsewhere or not there."""
    name = row.required(column)
    try:
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve())
        there = inside and path.is_file()
    except (OSError, ValueError) as error:
        raise ValueError(f"{name[:80]!r} is no file name.") from error
    if not inside:
        raise ValueError(f"{name[:80]!r} lies outside the folder {folder.name}.")
    if not there:
        raise ValueError(f"{name[:80]!r} is not in the folder {folder.name}.")
    return path
