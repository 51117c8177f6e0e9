"""The first sheet of an Excel workbook as rows of a table."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from core.data.importers.table import Row, refuse_missing, refuse_twice
from core.data.importers.table_text import LARGEST_TABLE, key_of
from core.domain.errors import BadTableError

_MOST_COLUMNS = 1000
_MOST_ROWS = 1_048_576
_MOST_TITLES = 20
"""Rows in which the header is looked for."""
_STRICT = b"http://purl.oclc.org/ooxml/"
_NAMES_OF_STRICT = (
    (_STRICT + b"spreadsheetml/main", b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"),
    (_STRICT + b"officeDocument/", b"http://schemas.openxmlformats.org/officeDocument/2006/"),
    (_STRICT + b"drawingml/main", b"http://schemas.openxmlformats.org/drawingml/2006/main"),
)
"""Namespaces of ISO/IEC 29500 Strict, and those of Transitional."""


def read_workbook(path: Path, *, required: Sequence[str]) -> Iterator[Row]:
    """The rows of the first sheet that has the required columns; the header is its first row with them.

    Values only: formulas are never computed. BadTableError where it is no workbook, unpacks to more than a table
    may hold, lacks a required column or has one twice.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(_transitional(path), read_only=True, data_only=True, keep_links=False)
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
            f"{path.name} is not a readable workbook ({type(error).__name__}); save it as CSV in UTF-8."
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


def _transitional(path: Path) -> Path | io.BytesIO:
    """The workbook, of the kind "Strict Open XML" with the names that the library knows in place of its own."""
    with zipfile.ZipFile(path) as parts:
        if _STRICT not in parts.read("xl/workbook.xml"):
            return path
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as written:
            for name in parts.namelist():
                content = parts.read(name)
                for strict, transitional in _NAMES_OF_STRICT:
                    content = content.replace(strict, transitional)
                written.writestr(name, content)
    out.seek(0)
    return out


def _refuse_bomb(path: Path) -> None:
    """BadTableError where the parts unpack to more than a table may hold."""
    try:
        with zipfile.ZipFile(path) as parts:
            size = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise BadTableError(f"{path.name} is not a workbook; save it as CSV in UTF-8.") from error
    if size > LARGEST_TABLE:
        raise BadTableError(f"{path.name} unpacks to {size:,} bytes, too many for a table.")


def _text(cell: Any) -> str:
    """A cell as a CSV would have it: whole numbers without a decimal point, nothing as ""."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
