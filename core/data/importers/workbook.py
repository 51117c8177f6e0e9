"""The first sheet of an Excel workbook as rows of a table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from core.data.importers.table import LARGEST_TABLE, Row, refuse_missing
from core.domain.errors import BadTableError

_MOST_COLUMNS = 1000
_MOST_ROWS = 1_048_576


def read_workbook(path: Path, *, required: Sequence[str]) -> Iterator[Row]:
    """The rows of the first sheet; the header is row 1. Values only: formulas are never computed.

    BadTableError where it is no workbook, unpacks to more than a table may hold or lacks a required column.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    _refuse_bomb(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            lines = sheet.iter_rows(max_col=_MOST_COLUMNS, max_row=_MOST_ROWS, values_only=True)
            header = [_text(cell).lower() for cell in next(lines, ())]
            refuse_missing(path, required, header)
            rows = []
            for number, cells in enumerate(lines, start=2):
                texts = [_text(cell) for cell in cells]
                if any(texts):
                    # columns without a heading are passed over
                    rows.append(Row(number, {n: t for n, t in zip(header, texts, strict=False) if n}))
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
