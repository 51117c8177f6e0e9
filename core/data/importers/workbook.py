"""The first sheet of an Excel workbook as rows of a table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from core.data.importers.table import Row, refuse_missing, refuse_twice
from core.data.importers.table_text import LARGEST_TABLE, key_of
from core.domain.errors import BadTableError
from core.domain.messages import message

_MOST_COLUMNS = 1000
_MOST_ROWS = 1_048_576
_MOST_TITLES = 20
"""Rows in which the header is looked for."""
_STRICT = b"http://purl.oclc.org/ooxml/"


def read_workbook(path: Path, *, required: Sequence[str]) -> Iterator[Row]:
    """The rows of the first sheet that has the required columns; the header is its first row with them.

    Values only: formulas are never computed. BadTableError where it is no workbook, unpacks to more than a table
    may hold, lacks a required column or has one twice.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _refuse_bomb(path)
    try:
        _refuse_strict(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            rows = _rows(path, book, required)
        finally:
            book.close()
    except (
        InvalidFileException,
        zipfile.BadZipFile,
        ParseError,
        OSError,
        KeyError,
        IndexError,
        ValueError,
        TypeError,
    ) as error:
        raise BadTableError(
            message(
                "{file} is not a readable workbook ({error}); save it as CSV in UTF-8.",
                file=path.name,
                error=type(error).__name__,
            )
        ) from error
    return iter(rows)


def _rows(path: Path, book: Any, required: Sequence[str]) -> list[Row]:
    headers: list[list[str]] = []
    for sheet in book.worksheets:
        lines = sheet.iter_rows(max_col=_MOST_COLUMNS, max_row=_MOST_ROWS, values_only=True)
        header, start = _header(lines, {key_of(name) for name in required})
        headers.append(header)
        if not {key_of(name) for name in required} <= {key_of(name) for name in header}:
            continue
        refuse_twice(path, header)
        rows = []
        # columns without a heading are not read
        columns = [(place, name) for place, name in enumerate(header) if name]
        for number, cells in _with_content(lines, start=start + 1):
            named = {name: _text(cells[place]) for place, name in columns}
            if any(named.values()):
                rows.append(Row(number, named, decimal_comma=True))
        return rows
    refuse_missing(path, required, headers[0] if headers else [])
    return []


def _header(lines: Iterator[tuple[Any, ...]], required: set[str]) -> tuple[list[str], int]:
    """The first row with the required columns, among the first that are not blank, and its number.

    Without such a row the first one: a title above the table is no header.
    """
    first: tuple[list[str], int] = ([], 0)
    for number, cells in islice(_with_content(lines, start=1), _MOST_TITLES):
        texts = [_text(cell) for cell in cells]
        if any(texts):
            first = first if first[1] else (texts, number)
            if required <= {key_of(text) for text in texts}:
                return texts, number
    return first


def _with_content(lines: Iterator[tuple[Any, ...]], start: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The rows that have cells, and their numbers.

    A sheet whose last row was once formatted has a million rows between, which the library gives as one and the
    same tuple: looking at each of its thousand cells took minutes.
    """
    blank: tuple[Any, ...] | None = None
    for number, cells in enumerate(lines, start=start):
        if cells is blank:
            continue
        if all(cell is None for cell in cells):
            blank = cells
        else:
            yield number, cells


def workbook_header(path: Path, *, required: Sequence[str]) -> tuple[str, ...]:
    """The column names of the sheet that ``read_workbook`` reads, in lower case; () of one without rows."""
    first = next(read_workbook(path, required=required), None)
    return () if first is None else tuple(first.cells)


def _refuse_strict(path: Path) -> None:
    """BadTableError for a workbook of ISO/IEC 29500 Strict, whose sheets the library finds empty."""
    with zipfile.ZipFile(path) as parts:
        if _STRICT in parts.read("xl/workbook.xml"):
            raise BadTableError(
                message(
                    "{file} is a workbook of the kind Strict Open XML, which cannot be read; save it as an "
                    "ordinary XLSX or as CSV.",
                    file=path.name,
                )
            )


def _refuse_bomb(path: Path) -> None:
    """BadTableError where the parts unpack to more than a table may hold."""
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise BadTableError(
            message("{file} is not a workbook; save it as CSV in UTF-8.", file=path.name)
        ) from error
    if size > LARGEST_TABLE:
        raise BadTableError(
            message("{file} unpacks to {size:,} bytes, too many for a table.", file=path.name, size=size)
        )


def _text(cell: Any) -> str:
    """A cell as a CSV would have it: whole numbers without a decimal point, nothing as ""."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
