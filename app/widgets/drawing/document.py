"""One annotation being edited: its shapes, what is selected, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from PySide6.QtCore import QObject, QTimer, Signal

from app.operations.edit_history import EditHistory, ReplaceShapes
from app.operations.shape_text import describe_edit
from app.qt.sentences import translate_message
from core.domain.edits import Shapes, replay
from core.domain.errors import MarginaliaError

Commit = Callable[[Shapes], None]
"""Function that makes a state durable; it raises a ``MarginaliaError`` with the reason of a failure."""

RETRY_MS = 2000


def text_of(edit: ReplaceShapes) -> str:
    """Return the name of an edit in Undo and Redo."""
    return edit.text or describe_edit(edit.before, edit.after)


class AnnotationDocument(QObject):
    """Every edit, undo and redo is committed first and shown afterwards: what is on screen is on the disk.

    Where a commit fails the edit is rolled back and kept aside, drawing pauses, and the same commit is tried
    again every two seconds and by ``retry``; when it succeeds the edit takes its place and drawing goes on.
    """

    shapes_changed = Signal()
    selection_changed = Signal()
    commit_failed = Signal(str)
    """The sentence for the banner."""
    paused_changed = Signal(bool)
    undo_changed = Signal()
    """Emitted when the edits that can be undone or redone have changed."""
    edited = Signal(object)
    """A ``ReplaceShapes`` that was committed by ``replace``; not by undo, redo or ``return_to``."""

    def __init__(self, commit: Commit, spacing_mm: float | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commit = commit
        self.spacing_mm = spacing_mm
        self.read_only = False
        self.nothing_to_draw_on = ""
        """Why it is read-only, where the remedy is the user's: a sentence."""
        self._shapes: Shapes = ()
        self._selection: frozenset[int] = frozenset()
        self._history = EditHistory()
        self._aside: Callable[[], bool] | None = None
        self._retry = QTimer(self)
        self._retry.setInterval(RETRY_MS)
        self._retry.timeout.connect(self.retry)

    def load(self, revisions: Sequence[Shapes], *, commit: Commit | None = None, spacing_mm: float | None) -> None:
        """Take up another annotation with its way back, from every revision ever committed (oldest first)."""
        self._end_pause()
        self._commit = commit or self._commit
        self.spacing_mm = spacing_mm
        states, current = replay(revisions)
        self._history.start((ReplaceShapes(*pair) for pair in pairwise(states)), current)
        self._shapes = states[current]
        self._selection = frozenset()
        self.shapes_changed.emit()
        self.selection_changed.emit()
        self.undo_changed.emit()

    @property
    def shapes(self) -> Shapes:
        return self._shapes

    @property
    def selection(self) -> frozenset[int]:
        """Indices into ``shapes``."""
        return self._selection

    @property
    def paused(self) -> bool:
        """True if the last commit failed and drawing is blocked until one succeeds."""
        return self._aside is not None

    @property
    def editable(self) -> bool:
        return not self.read_only and not self.paused

    @property
    def undo_text(self) -> str:
        """Name of the edit that undo reverts; empty if there is none, or if nothing can be changed now."""
        edit = self._history.undoes
        return text_of(edit) if edit and self.editable else ""

    @property
    def redo_text(self) -> str:
        edit = self._history.redoes
        return text_of(edit) if edit and self.editable else ""

    def select(self, indices: frozenset[int]) -> None:
        chosen = frozenset(i for i in indices if 0 <= i < len(self._shapes))
        if chosen != self._selection:
            self._selection = chosen
            self.selection_changed.emit()

    def replace(self, after: Shapes, text: str, *, select: frozenset[int] = frozenset()) -> bool:
        """One edit, which undo takes back as a whole. False where it could not be committed (yet)."""
        return self._edit(after, text, select=select, tell=True)

    @property
    def last_edit(self) -> ReplaceShapes | None:
        """The edit that undo takes back."""
        return self._history.undoes

    @property
    def next_edit(self) -> ReplaceShapes | None:
        """The edit that redo does again."""
        return self._history.redoes

    def return_to(self, shapes: Shapes, text: str) -> bool:
        """Make an earlier or later state current: a step of the history where it leads there, else an edit.

        False where it could not be committed (yet).
        """
        if shapes == self._shapes:
            return True
        last, following = self.last_edit, self.next_edit
        if last is not None and last.before == shapes:
            return self._step(-1, shapes)
        if following is not None and following.after == shapes:
            return self._step(1, shapes)
        return self._edit(shapes, text, select=frozenset(), tell=False)

    def undo(self) -> bool:
        edit = self._history.undoes
        return edit is not None and self._step(-1, edit.before)

    def redo(self) -> bool:
        edit = self._history.redoes
        return edit is not None and self._step(1, edit.after)

    def retry(self) -> bool:
        """Try again what could not be committed; True where nothing is waiting any more."""
        waiting = self._aside
        return waiting is None or self._attempt(waiting)

    def _edit(self, after: Shapes, text: str, *, select: frozenset[int], tell: bool) -> bool:
        before = self._shapes
        if after == before or not self.editable:
            return False

        def edit() -> bool:
            self._commit(after)
            made = ReplaceShapes(before, after, text)
            self._history.push(made)
            self._apply(after)
            self.select(select)
            if tell:
                self.edited.emit(made)
            return True

        return self._attempt(edit)

    def _step(self, by: int, state: Shapes) -> bool:
        if not self.editable:
            return False

        def step() -> bool:
            self._commit(state)
            self._history.index += by
            self._apply(state)
            return True

        return self._attempt(step)

    def _attempt(self, change: Callable[[], bool]) -> bool:
        try:
            change()
        except MarginaliaError as error:
            first = self._aside is None
            self._aside = change
            self._retry.start()
            if first:
                self.paused_changed.emit(True)
                self.commit_failed.emit(translate_message(error))
            return False
        self._end_pause()
        return True

    def _end_pause(self) -> None:
        self._retry.stop()
        if self._aside is not None:
            self._aside = None
            self.paused_changed.emit(False)

    def _apply(self, shapes: Shapes) -> None:
        self._shapes = shapes
        self.select(frozenset())
        self.shapes_changed.emit()
        self.undo_changed.emit()
