"""What the main window asks of the screen that is shown: its history, its actions, and what they can act on."""

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
    ``resources/actions.json`` is this one are enabled only while it is shown; ``handlers`` says what they do.
    """

    refused = Signal(str)
    """Why something cannot be done just now, as one sentence for the status line."""
    hint_changed = Signal(str)
    """How what is chosen now is used, as one line for the status bar; empty where nothing need be said."""
    hint = ""
    """The last ``hint_changed``."""
    actions_changed = Signal()
    """What can be done or taken back here changed: the window asks for ``available`` and ``history`` anew."""

    @property
    def history(self) -> History:
        return NoHistory()

    def show_hint(self, hint: str) -> None:
        """Show this line in the status bar while this screen is shown and nothing else is said there."""
        self.hint = hint
        self.hint_changed.emit(hint)

    def available(self) -> frozenset[Need]:
        """What this screen has for its actions to act on, beyond what the session knows."""
        return frozenset()

    def handlers(self) -> Mapping[str, Callable[[], object]]:
        """By action id, what the actions of this screen do. Asked for once, when the screen is made."""
        return {}
