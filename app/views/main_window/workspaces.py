"""The four workspaces, each made when it is needed first: a window that only greets need not wait for them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QByteArray, QObject, Signal
from PySide6.QtWidgets import QStackedWidget

from app.actions.actions import Actions
from app.actions.catalogue import ScreenName
from app.actions.keymap import KeymapPreset, chosen_preset
from app.qt import settings
from app.qt.icons import icon
from app.services.followed_study import FollowedStudy
from app.services.model_service import ModelService
from app.services.presence_service import PresenceService
from app.services.training_service import JobState, TrainingService
from app.state.changes import Change, StudyOpening
from app.state.session import Session
from app.views.screen import Screen
from core.domain.study import RunStatus

if TYPE_CHECKING:
    from app.views.annotate.wiring import AnnotateWiring
    from app.views.annotate.workspace import AnnotateWorkspace
    from app.views.model_screen import ModelScreen
    from app.views.prototypes.screen import PrototypesScreen
    from app.views.review.screen import ReviewScreen
    from app.views.train.screen import TrainScreen

_SPLITTER = "window/splitter"
_Screen = TypeVar("_Screen", bound=Screen)
_ModelScreen = TypeVar("_ModelScreen", bound="ModelScreen")


class Workspaces(QObject):
    refused = Signal(str)
    """One sentence for the status line."""
    hint_changed = Signal(str)
    """The hint of the screen that is shown."""
    actions_changed = Signal()
    """Emitted when the available actions, or the acts that can be undone, have changed on a screen."""
    undo_offered = Signal(str, object)
    """Sentence on the act, and the act that undoes it."""
    import_wanted = Signal()
    search_failed = Signal(str)
    """Why the worklist could not be read."""
    pointed = Signal(object, object)
    """The view that the pointer is in, and its ``Reading`` or None."""

    def __init__(self, session: Session, actions: Actions, pages: QStackedWidget) -> None:
        super().__init__(pages)
        self._session, self._actions, self._pages = session, actions, pages
        self._annotation: tuple[AnnotateWorkspace, AnnotateWiring] | None = None
        self._screen: tuple[float | None, bool] = (None, False)
        self.shown_name: ScreenName = ""
        """The screen that is shown; empty while the welcome page is."""
        self.training = TrainingService(session, self)
        self.followed = FollowedStudy(session, self)
        self.presence = PresenceService(session, self)
        self.desk = ModelService(session, self)
        session.changed.connect(self._follow)
        # what a training says at its end is said by its screen, also where nobody looked at that yet
        self.training.changed.connect(self._make_train)
        self.training.ended.connect(self._show_steered)
        if session.is_open:
            self.page("annotate")

    @property
    def annotates(self) -> bool:
        """True if the annotation workspace is there."""
        return self._annotation is not None

    @property
    def annotate(self) -> AnnotateWorkspace:
        return self._annotated()[0]

    @property
    def wiring(self) -> AnnotateWiring:
        return self._annotated()[1]

    def page(self, name: str) -> Screen:
        """By its name on the rail; made now, if it was not yet."""
        page: Screen = getattr(self, name)
        return page

    @property
    def shown(self) -> Screen | None:
        """The screen that is shown; None while the welcome page is."""
        return self.page(self.shown_name) if self.shown_name else None

    def show_page(self, name: ScreenName) -> None:
        """Show a screen; "" where none is, since the window shows its welcome page."""
        self.shown_name = name
        if name:
            self._pages.setCurrentWidget(self.page(name))
        self.actions_changed.emit()
        self._tell_hint()

    def _tell_hint(self, _: str = "") -> None:
        self.hint_changed.emit("" if self.shown is None else self.shown.hint)

    @cached_property
    def train(self) -> TrainScreen:
        from app.views.train.screen import TrainScreen

        screen = self._add(TrainScreen(self._session, self.desk, self.training))
        screen.model_wanted.connect(self._actions["workspace.review"].trigger)
        screen.lesion_wanted.connect(self._actions["workspace.annotate"].trigger)
        return screen

    @cached_property
    def review(self) -> ReviewScreen:
        from app.views.review.screen import ReviewScreen

        return self._of_model(ReviewScreen(self._session, self.desk))

    @cached_property
    def prototypes(self) -> PrototypesScreen:
        from app.views.prototypes.screen import PrototypesScreen

        return self._of_model(PrototypesScreen(self._session, self.desk))

    def set_preset(self, preset: KeymapPreset) -> None:
        if self.annotates:
            self.wiring.set_preset(preset)

    def set_screen(self, mm: float | None, *, calibrated: bool) -> None:
        """The size of a logical pixel of the screen, and whether it is calibrated to the GSDF."""
        self._screen = mm, calibrated
        if self.annotates:
            self.annotate.wall.hanging_view.set_screen(mm, calibrated=calibrated)

    def refresh_icons(self) -> None:
        """After a change of the theme."""
        if self.annotates:
            self._show_hangings(self.annotate)

    def take_typing(self) -> None:
        """Store typed text that is not yet stored."""
        if self.annotates:
            self.annotate.panel.form.take_typing()

    def retry(self) -> None:
        """Write what was drawn and could not be written."""
        if self.annotates:
            self.annotate.document.retry()

    def remember_place(self) -> None:
        if self.annotates:
            settings.put(_SPLITTER, self.annotate.splitter.saveState())

    def stop(self) -> None:
        """Before the window goes."""
        if self.annotates:
            self.annotate.stop()

    def _annotated(self) -> tuple[AnnotateWorkspace, AnnotateWiring]:
        if self._annotation is None:
            self._annotation = self._make_annotation()
        return self._annotation

    def _make_annotation(self) -> tuple[AnnotateWorkspace, AnnotateWiring]:
        from app.views.annotate.live_precision import LivePrecisionLine
        from app.views.annotate.wiring import AnnotateWiring
        from app.views.annotate.workspace import AnnotateWorkspace
        from app.views.worklist.usefulness import UsefulFirst

        workspace = AnnotateWorkspace(self._session, self._actions)
        wiring = AnnotateWiring(self._session, self._actions, workspace)
        self._add(workspace)
        wiring.set_preset(chosen_preset())
        workspace.undo_offered.connect(self.undo_offered)
        workspace.worklist.import_wanted.connect(self.import_wanted)
        workspace.worklist.model.failed.connect(self.search_failed)
        LivePrecisionLine(self._session, self.desk, workspace.panel.mask_frame.precision)
        UsefulFirst(self._session, self.desk, workspace.worklist).message.connect(self.refused)
        wall = workspace.wall.hanging_view
        wall.cursor_moved.connect(self.pointed)
        wall.announced.connect(self.refused)
        wall.set_screen(self._screen[0], calibrated=self._screen[1])
        place: QByteArray | None = settings.state(_SPLITTER)
        if place is not None:
            workspace.splitter.restoreState(place)
        self._show_hangings(workspace)
        return workspace, wiring

    def _show_hangings(self, workspace: AnnotateWorkspace) -> None:
        workspace.strip.set_hangings(self._actions.menus["View/Hanging"], icon("hanging", self._pages.palette()))

    def _make_train(self) -> None:
        if self.training.running:
            self.page("train")

    def _of_model(self, screen: _ModelScreen) -> _ModelScreen:
        screen.train_wanted.connect(self._actions["workspace.train"].trigger)
        screen.steering.wanted.connect(self.training.plan_steering)
        return self._add(screen)

    def _show_steered(self, job: JobState) -> None:
        """Open the model of a steered run that is finished."""
        from core.tasks.runs.steering import steered_places

        run = self._session.study.runs.get(job.run.id)
        if run.status is RunStatus.FINISHED and steered_places(self._session.study, run):
            self.desk.open(run.id)

    def _add(self, screen: _Screen) -> _Screen:
        self._pages.addWidget(screen)
        screen.refused.connect(self.refused)
        screen.actions_changed.connect(self.actions_changed)
        screen.hint_changed.connect(self._tell_hint)
        for action, handler in screen.handlers().items():
            self._actions.connect_to(action, handler)
        return screen

    def _follow(self, change: Change) -> None:
        if isinstance(change, StudyOpening):
            self.page("annotate")
