"""Undoable acts on Prototypes: prunings in the store, and marks of this session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtWidgets import QAbstractButton

from app.qt.translation import tr
from core.tasks.readers.opinions import Mark


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A prototype whose mark was changed."""

    index: int
    before: Mark
    after: Mark


class Acts:
    """The history of the screen.

    Marks are taken back one by one as long as no pruning was made since. Prunings are the revisions of the model,
    which outlive the program.
    """

    def __init__(
        self, undo: QAbstractButton, redo: QAbstractButton, set_mark: Callable[[int, Mark], object]
    ) -> None:
        self._undo, self._redo, self._set_mark = undo, redo, set_mark
        self._done: list[Marked] = []
        self._taken_back: list[Marked] = []

    def note(self, mark: Marked) -> None:
        self._done.append(mark)
        self._taken_back.clear()

    def forget(self) -> None:
        """After another revision became the active one, or another model."""
        self._done.clear()
        self._taken_back.clear()

    @property
    def undo_text(self) -> str:
        if self._done:
            return tr("mark of prototype {number}", number=self._done[-1].index + 1)
        return tr("Pruning") if self._undo.isEnabled() else ""

    @property
    def redo_text(self) -> str:
        if self._taken_back:
            return tr("mark of prototype {number}", number=self._taken_back[-1].index + 1)
        return tr("Pruning") if self._redo.isEnabled() else ""

    def undo(self) -> None:
        if not self._done:
            self._undo.click()
            return
        last = self._done.pop()
        self._taken_back.append(last)
        self._set_mark(last.index, last.before)

    def redo(self) -> None:
        if not self._taken_back:
            self._redo.click()
            return
        last = self._taken_back.pop()
        self._done.append(last)
        self._set_mark(last.index, last.after)
