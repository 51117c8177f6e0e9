"""The edits of an annotation, and the way back through them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.domain.edits import Shapes


@dataclass(frozen=True, slots=True)
class ReplaceShapes:
    """Every edit swaps one immutable value for another."""

    before: Shapes
    after: Shapes
    text: str = ""
    """Name of the edit in Undo and Redo; empty: named by the change."""


class EditHistory:
    """Edits that were made, up to ``index``; those behind it were undone and can be redone.

    Not Qt's stack of undo commands: it deletes its commands itself, and where Python's garbage collector has
    reached a closed annotation before Qt it deletes them a second time.
    """

    def __init__(self) -> None:
        self._edits: list[ReplaceShapes] = []
        self.index = 0

    def start(self, edits: Iterable[ReplaceShapes], index: int) -> None:
        """Another annotation's edits, ``index`` of them in force."""
        self._edits, self.index = list(edits), index

    def push(self, edit: ReplaceShapes) -> None:
        """Put ``edit`` in the place of all that could be redone."""
        self._edits[self.index :] = [edit]
        self.index += 1

    @property
    def undoes(self) -> ReplaceShapes | None:
        """The edit that undo reverts."""
        return self._edits[self.index - 1] if self.index else None

    @property
    def redoes(self) -> ReplaceShapes | None:
        """The edit that redo repeats."""
        return self._edits[self.index] if self.index < len(self._edits) else None
