"""Small pieces of text that several commands print."""

from __future__ import annotations

import shlex
from collections.abc import Sequence


def count(number: int, noun: str, plural: str = "") -> str:
    """ "1 image", "1,135 images"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def shell_word(path: object) -> str:
    """A path as a shell takes it: quoted where it has spaces or other letters of the shell's own."""
    return shlex.quote(str(path))


def table(rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Rows in columns; the columns ``right`` are aligned at their right."""
    if not rows:
        return []
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if c in right else cell.ljust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
