"""Interface of a screen for the main window: its history, its actions, and the objects that they act on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from app.actions.catalogue import Need


class History(Protocol):
    """Steps that can be taken back. The texts name a step in the user's language; empty where there is none."""

    @property
    def undo_text(self) -> str: ...
    @property
    def redo_text(self) -> str: ...
    def undo(self) -> object: ...
    def redo(self) -> object: ...


class NoHistory:
    """For a screen on which nothing can be taken back."""

    undo_text = redo_text = ""

    def undo(self) -> None: ...

    def redo(self) -> None: ...


class Screen(QWidget):
    """One of the four screens on the rail.

    Ctrl+Z and Ctrl+Shift+Z act on ``history`` of the screen that is shown. Actions whose ``screen`` in
    ``resources/actions.json`` is this one are enabled only while it is shown; ``handlers`` holds their functions.
    """

    refused = Signal(str)
    """Why something cannot be done just now, as one sentence for the status line."""
    hint_changed = Signal(str)
    """Hint on using the current selection, as one line for the status bar; empty if none is needed."""
    hint = ""
    """The last ``hint_changed``."""
    actions_changed = Signal()
    """Emitted when available actions or undoable acts changed: the window reads ``available`` and
    ``history`` anew."""

    @property
    def history(self) -> History:
        return NoHistory()

    def show_hint(self, hint: str) -> None:
        """Show this line in the status bar while this screen is shown and no other message is there."""
        self.hint = hint
        self.hint_changed.emit(hint)

    def available(self) -> frozenset[Need]:
        """Return the objects that this screen has for its actions, beyond those of the session."""
        return frozenset()

    def handlers(self) -> Mapping[str, Callable[[], object]]:
        """By action id, what the actions of this screen do. Asked for once, when the screen is made."""
        return {}
