"""The undo command of every edit of an annotation."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtGui import QUndoCommand

from core.domain.edits import Shapes


class ReplaceShapes(QUndoCommand):
    """Swaps one immutable value for another. What can fail (the commit) is done before it is pushed."""

    def __init__(self, apply: Callable[[Shapes], None], before: Shapes, after: Shapes, text: str) -> None:
        super().__init__(text)
        self._apply = apply
        self.before, self.after = before, after

    def redo(self) -> None:
        self._apply(self.after)

    def undo(self) -> None:
        self._apply(self.before)
