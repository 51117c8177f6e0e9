"""Connects the screens of the model with steered runs: the dialog, undo and redo."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from app.operations import models
from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.services.model_service import ModelService
from app.state.session import Session
from app.views.steering.dialog import SteeringDialog
from core.domain.errors import MarginaliaError
from core.domain.study import Run
from core.tasks.readers.opinions import Mark, marks_of


class SteeringController(QObject):
    wanted = Signal(object, object)
    """The run, and the places that its prototypes are to look at in a new one."""
    refused = Signal(str)

    def __init__(self, session: Session, desk: ModelService, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._desk, self._parent = session, desk, parent
        self.dialog: SteeringDialog | None = None
        self._known = ""
        self._can_undo = self._can_redo = False

    def open(self, index: int | None, lesion_id: str = "") -> None:
        """Ask for the place of a prototype (its index in the unpruned model); None asks to choose one first."""
        model = self._desk.model
        if model is None or self._desk.is_opening:
            return
        if index is None:
            self.refused.emit(tr("Choose a prototype first."))
            return
        if not self._session.can_write:
            self.refused.emit(tr("This study is open for reading only."))
            return
        if index not in model.pruning.state.kept:
            self.refused.emit(tr("It is pruned; undo brings it back."))
            return
        run = model.run
        self.dialog = SteeringDialog(model, index, lesion_id=lesion_id, parent=self._parent)
        self.dialog.wanted.connect(lambda place: self.wanted.emit(run, [place]))
        self.dialog.finished.connect(self._forget_dialog)
        open_dialog(self.dialog)

    def _forget_dialog(self) -> None:
        self.dialog = None

    def toggle_not_this(self, index: int | None) -> None:
        """Mark a prototype as not medically relevant (the next update forgets it), or take the mark back."""
        model = self._desk.model
        if model is None or index is None:
            self.refused.emit(tr("Choose a prototype first."))
            return
        marked = marks_of(self._session.study, model.run).get(index) is Mark.NOT_RELEVANT
        try:
            models.mark(self._session, model.run, index, Mark.NONE if marked else Mark.NOT_RELEVANT)
        except MarginaliaError as error:
            self.refused.emit(translate_message(error))
            return
        number = index + 1
        self.refused.emit(
            tr("Prototype {number}: the mark is taken back.", number=number)
            if marked
            else tr("Prototype {number} is not medically relevant: the next update forgets it.", number=number)
        )

    # undo and redo: of the run that is shown

    def look(self) -> None:
        """Find out once for each shown model what can be undone and redone."""
        model = self._desk.model
        if model is None or not self._session.is_open:
            self._can_undo = self._can_redo = False
            return
        from core.tasks.runs.pruned_again import REASON
        from core.tasks.runs.steering import steered_places, undone_steering

        study, revision = self._session.study, model.revision
        first = revision.parent_id is None or revision.reason == REASON
        self._can_undo = first and bool(steered_places(study, model.run))
        self._can_redo = undone_steering(study, model.run) is not None

    @property
    def can_undo(self) -> bool:
        return self._can_undo

    @property
    def can_redo(self) -> bool:
        return self._can_redo

    def undo(self, run: Run) -> None:
        """Archive the steered run and show its parent."""
        self._desk.open(models.undo_steering(self._session, run).id)

    def redo(self, run: Run) -> None:
        """Take back the run that was steered from this one, and show it."""
        self._desk.open(models.redo_steering(self._session, run).id)
