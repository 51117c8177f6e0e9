"""One annotation being edited: its shapes, what is selected, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QUndoStack

from app.commands.replace_shapes import ReplaceShapes
from app.qt.sentences import said
from app.qt.translation import tr
from core.domain.edits import Shapes, replay
from core.domain.errors import MarginaliaError

Commit = Callable[[Shapes], None]
"""Makes a state durable; a ``MarginaliaError`` says why it could not."""

RETRY_MS = 2000


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
    """What can be undone or redone changed."""

    def __init__(self, commit: Commit, spacing_mm: float | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._commit = commit
        self.spacing_mm = spacing_mm
        self.read_only = False
        self._shapes: Shapes = ()
        self._selection: frozenset[int] = frozenset()
        self._stack = QUndoStack(self)
        self._stack.indexChanged.connect(self._tell_undo)
        self._aside: Callable[[], bool] | None = None
        self._retry = QTimer(self)
        self._retry.setInterval(RETRY_MS)
        self._retry.timeout.connect(self.retry)

    def _tell_undo(self) -> None:
        self.undo_changed.emit()

    def load(self, revisions: Sequence[Shapes], *, commit: Commit | None = None, spacing_mm: float | None) -> None:
        """Take up another annotation with its way back, from every revision ever committed (oldest first)."""
        self._end_pause()
        self._commit = commit or self._commit
        self.spacing_mm = spacing_mm
        states, current = replay(revisions)
        self._stack.clear()
        self._shapes = ()
        self.blockSignals(True)
        for before, after in pairwise(states):
            self._stack.push(ReplaceShapes(self._apply, before, after, tr("Edit")))
        self._stack.setIndex(current)
        self.blockSignals(False)
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
        """Whether the last commit failed and nothing may be drawn until one succeeds."""
        return self._aside is not None

    @property
    def editable(self) -> bool:
        return not self.read_only and not self.paused

    @property
    def undo_text(self) -> str:
        """What undo would take back; empty where there is nothing."""
        return self._stack.undoText() if self._stack.canUndo() else ""

    @property
    def redo_text(self) -> str:
        return self._stack.redoText() if self._stack.canRedo() else ""

    def select(self, indices: frozenset[int]) -> None:
        chosen = frozenset(i for i in indices if 0 <= i < len(self._shapes))
        if chosen != self._selection:
            self._selection = chosen
            self.selection_changed.emit()

    def replace(self, after: Shapes, text: str, *, select: frozenset[int] = frozenset()) -> bool:
        """One edit, which undo takes back as a whole. False where it could not be committed (yet)."""
        before = self._shapes
        if after == before or not self.editable:
            return False

        def edit() -> bool:
            self._commit(after)
            self._stack.push(ReplaceShapes(self._apply, before, after, text))
            self.select(select)
            return True

        return self._attempt(edit)

    def undo(self) -> bool:
        return self._step(-1)

    def redo(self) -> bool:
        return self._step(1)

    def retry(self) -> bool:
        """Try again what could not be committed; True where nothing is waiting any more."""
        waiting = self._aside
        return waiting is None or self._attempt(waiting)

    def _step(self, by: int) -> bool:
        target = self._stack.index() + by
        if not (self.editable and 0 <= target <= self._stack.count()):
            return False
        command = self._stack.command(min(target, self._stack.index()))
        if not isinstance(command, ReplaceShapes):
            return False
        state = command.before if by < 0 else command.after

        def step() -> bool:
            self._commit(state)
            self._stack.setIndex(target)
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
                self.commit_failed.emit(said(error))
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
