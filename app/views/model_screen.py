"""Common parts of Review and Prototypes: choice of the model, its page, and one sentence if there is none."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.services.model_service import ModelService
from app.services.opened_model import OpenedModel
from app.state.session import Session
from app.views.screen import Screen
from app.views.steering.controller import SteeringController
from app.widgets.explain.run_bar import RunBar
from app.widgets.label import Label
from app.widgets.notice import Notice
from core.domain.events import Progress


class ModelScreen(Screen):
    """Shows the desk's model while somebody looks; put off while nobody does."""

    train_wanted = Signal()

    def __init__(self, session: Session, desk: ModelService, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.desk = session, desk
        self.run_bar, self.notice, self.pages = RunBar(desk), Notice(), QStackedWidget()
        self.missing = Label()
        """Missing parts of the shown model: the pictures of its prototypes."""
        self.missing.setWordWrap(True)
        self.missing.setObjectName("badge")
        self.missing.setMargin(4)
        self.missing.hide()
        self.steering = SteeringController(session, desk, self)
        self.steering.refused.connect(self.refused)
        self._stale = True
        self._frame()
        desk.model_changed.connect(self.refresh)
        desk.runs_changed.connect(self.refresh)
        desk.opening.connect(self._show_progress)
        self.notice.pressed.connect(self._pressed)

    def _frame(self) -> None:
        """The line on top, what is missing, and the parts of the screen or the notice in their place."""
        self.top, self.splitter = QHBoxLayout(), QSplitter(Qt.Orientation.Horizontal)
        self.top.setContentsMargins(12, 6, 12, 6)
        self.top.addWidget(self.run_bar, 1)
        for page in (self.notice, self.splitter):
            self.pages.addWidget(page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self.top)
        layout.addWidget(self.missing)
        layout.addWidget(self.pages, 1)

    def _add_parts(self, *parts: tuple[QWidget, int, int, int]) -> None:
        """Side by side: a widget, how much of what is left it takes, its least width, and its width at first."""
        for place, (part, share, least, _width) in enumerate(parts):
            part.setMinimumWidth(least)
            self.splitter.addWidget(part)
            self.splitter.setStretchFactor(place, share)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setSizes([width for *_, width in parts])

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.desk.open_newest()
        if self._stale:
            self.refresh()

    def refresh(self) -> None:
        """Everything, after another model; put off while nobody looks."""
        self._stale = not self.isVisible()
        if self._stale:
            return
        self.desk.open_newest()
        model = self.desk.model
        self.missing.setText("" if model is None else model.no_patches)
        self.missing.setVisible(bool(self.missing.text()))
        if model is None:
            self.pages.setCurrentWidget(self.notice)
            self._explain_absence()
            self._show_nothing()
        else:
            self.pages.setCurrentWidget(self.splitter)
            self._show_model(model)

    def _show_model(self, model: OpenedModel) -> None:
        raise NotImplementedError

    def _show_nothing(self) -> None:
        raise NotImplementedError

    def _purpose(self) -> tuple[str, str]:
        """Return the purpose of the screen, for a missing study or a missing model."""
        raise NotImplementedError

    def _explain_absence(self) -> None:
        desk, notice, (no_study, no_model) = self.desk, self.notice, self._purpose()
        if desk.problem:
            notice.say(tr("This model cannot be shown"), desk.problem)
        elif desk.is_opening:
            text = tr("The first time, the regions of lesions that were not trained on are cut out.")
            notice.say(tr("Opening the model …"), text, tr("Cancel"))
        elif desk.was_stopped:
            notice.say(tr("The model was not opened"), tr("You stopped it."), tr("Open it"))
        elif not desk.session.is_open:
            notice.say(tr("No study is open"), no_study)
        else:
            notice.say(tr("No model yet"), no_model, tr("Train a model"))

    def _show_progress(self, progress: Progress) -> None:
        desk = self.desk
        if not desk.is_opening or desk.model is not None or not self.isVisible():
            return
        said = tr(progress.stage)
        if progress.total:
            said += f": {progress.done} / {progress.total}"
        self.notice.show_progress(said, progress.done, progress.total)

    def _pressed(self) -> None:
        desk = self.desk
        if desk.is_opening:
            desk.stop_opening()
        elif desk.was_stopped:
            desk.open(desk.run_id)
        else:
            self.train_wanted.emit()
