"""The text of a table as spreadsheets and editors write it: its encoding and what separates its cells."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from core.domain.errors import BadTableError
from core.domain.messages import message

LARGEST_TABLE = 256 * 2**20
SEPARATORS = (",", ";", "\t", "|")
_SEP_LINE = re.compile(r"\s*\"?sep=(.)\"?[,;\t|]*\s*", re.IGNORECASE)
"""Excel's own first line, which names the separator."""
_WRAPPED = re.compile(r'"((?:[^"]|"")*)"[,;\t|]*')
_MOST_TITLES = 20
"""Lines in which the header is looked for."""


def text_of(path: Path) -> str:
    """The text of a table in UTF-8, UTF-16 or the encoding of Western Windows (cp1252).

    BadTableError where it is too large, cannot be read or is no text.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise BadTableError(
                message(
                    "{file} is larger than {limit} MB, too large for a table.",
                    file=path.name,
                    limit=LARGEST_TABLE // 2**20,
                )
            )
        return decoded(path.read_bytes())
    except OSError as error:
        raise BadTableError(
            message("{path} cannot be read ({reason}); choose another table.", path=path, reason=error.strerror)
        ) from error
    except UnicodeDecodeError as error:
        raise BadTableError(
            message("{file} is not UTF-8 text; save it as CSV in UTF-8.", file=path.name)
        ) from error


def decoded(data: bytes) -> str:
    """UnicodeDecodeError for what is text in none of the encodings."""
    encoding = encoding_of(data[:4096])
    if encoding:
        return data.decode(encoding)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # "CSV (Macintosh)" ends its lines as no other program does; spreadsheets on Windows save as "CSV" in
        # cp1252, which has no bytes for what is not on its list
        return data.decode("mac_roman" if b"\r" in data and b"\n" not in data else "cp1252")


def encoding_of(start: bytes) -> str:
    """The encoding that a byte order mark, or the zeros between Latin letters, show; "" where nothing does."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if start[1::2].count(0) > len(start) // 4:
        return "utf-16-le"
    if start[::2].count(0) > len(start) // 4:
        return "utf-16-be"
    return ""


def first_lines(text: str) -> tuple[int, str]:
    """Return the number of lines before the header, and the separator that one of them names ("" if none does)."""
    separator, before = "", 0
    for line in io.StringIO(text, newline=None):
        match = _SEP_LINE.fullmatch(line.rstrip("\r\n"))
        if match is not None and not separator:
            separator = match[1]
        elif line.strip(" \t\r\n,;|"):
            break
        before += 1
    return before, separator


def header_line(text: str, before: int, separator: str, required: Sequence[str]) -> int:
    """Return the number of lines before the header, which is the first of them with all required columns.

    Reports have a title above their table, and programs a comment. ``before`` if no line has the columns.
    """
    wanted = {key_of(name) for name in required}
    for number, line in enumerate(islice(io.StringIO(text, newline=None), before + _MOST_TITLES)):
        if number >= before:
            with contextlib.suppress(csv.Error):
                cells = next(csv.reader([line], delimiter=separator or separator_of(line, required)), [])
                if wanted <= {key_of(cell) for cell in cells}:
                    return number
    return before


def unwrapped(text: str) -> str:
    """The lines of a table without the quotes around each whole line, which Excel writes for a single column."""
    first = next((line for line in io.StringIO(text, newline=None) if line.strip()), "").strip()
    match = _WRAPPED.fullmatch(first)
    if match is None or not any(separator in match[1] for separator in SEPARATORS):
        return text
    lines = [_WRAPPED.fullmatch(line.strip()) for line in text.splitlines() if line.strip()]
    if not all(lines):
        return text
    return "".join(line[1].replace('""', '"') + "\n" for line in lines if line is not None)


def separator_of(header: str, required: Sequence[str]) -> str:
    """The separator of a header line: the one that makes all required columns, else the most frequent one."""
    by_count = sorted(SEPARATORS, key=lambda separator: -header.count(separator))
    for separator in by_count:
        try:
            names = {key_of(name) for name in next(csv.reader([header], delimiter=separator), [])}
        except csv.Error:
            continue
        if all(key_of(name) in names for name in required) and (separator in header or len(names) == 1):
            return separator
    return by_count[0]


def key_of(name: str) -> str:
    """A column's name as it is compared: without case, with single spaces for spaces, ``_`` and ``-``."""
    return re.sub(r"[\s_\-\u00a0\ufeff]+", " ", name).strip().lower()
