"""The main window: rail, workspaces, banner, status. It arranges; what can be changed is the session's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.actions.actions import Actions
from app.actions.catalogue import Need, ScreenName
from app.actions.keymap import Keymap, KeymapPreset
from app.qt import settings
from app.qt.dialogs import open_dialog
from app.qt.geometry import keep_on_screen, resize_on_screen
from app.qt.theme import Theme, apply_theme
from app.qt.translation import tr
from app.state.changes import (
    Change,
    LesionsChanged,
    ReaderChanged,
    SelectionChanged,
    StorageChanged,
    StudyClosed,
    StudyOpened,
)
from app.state.session import Session
from app.views.dialogs.calibrate import CalibrateDialog, store_calibration, stored_calibration
from app.views.dialogs.sign_in import SignInDialog, ask_new_password
from app.views.main_window.appearance import add_appearance
from app.views.main_window.closing import may_lose_change
from app.views.main_window.crash_notices import OF_THE_PROGRAM
from app.views.main_window.drop import DropTarget
from app.views.main_window.file_menu import FileMenuController
from app.views.main_window.present_names import PresentNames
from app.views.main_window.program_dialogs import ProgramDialogs
from app.views.main_window.recent_menu import recent_menu
from app.views.main_window.status import StatusLine
from app.views.main_window.study_care import StudyCare
from app.views.main_window.workspaces import Workspaces
from app.views.screen import NoHistory
from app.views.train.leaving import may_leave_training
from app.views.train.train_chip import TrainChip
from app.views.welcome.page import WelcomePage
from app.widgets.banner import Banner
from app.widgets.label import in_title
from app.widgets.rail import WORKSPACES, Rail

if TYPE_CHECKING:
    from app.services.model_service import ModelService
    from app.services.training_service import TrainingService
    from app.views.annotate.wiring import AnnotateWiring
    from app.views.annotate.workspace import AnnotateWorkspace
    from app.views.prototypes.screen import PrototypesScreen
    from app.views.review.screen import ReviewScreen
    from app.views.train.screen import TrainScreen
    from app.widgets.viewer.mammogram_view import MammogramView


TITLE = 40
"""Height of a title bar, which is known only once the window is shown."""


class MainWindow(QMainWindow):
    def __init__(self, session: Session, language: str = "en") -> None:
        super().__init__()
        self.setObjectName("main")
        self.setWindowTitle("Marginalia")
        self.session = session
        self.actions_ = Actions(self)
        self.banner = Banner()
        self.welcome = WelcomePage(self.actions_)
        self.rail = Rail(self.actions_)
        self.pages = QStackedWidget()
        self.status = StatusLine(self)
        self._language = language
        self.next_language = ""
        """The language that the user chose; the program opens the next window in it."""
        self.next_study: Path | None = None
        self._placed = False
        """Flag: the window was active once, so that its frame was known and brought onto the screen."""
        self._lay_out()
        self._fill_menus()
        self.workspaces = Workspaces(session, self.actions_, self.pages)
        self.train_chip = TrainChip(self.training, self.status.training)
        PresentNames(self.session, self.status.present, self)
        self.studies = FileMenuController(
            session, self, self.banner.say, partial(may_leave_training, self.training, self)
        )
        self._connect()
        self._show_welcome()
        self._restore_place()
        self._show_calibration()

    @property
    def annotate(self) -> AnnotateWorkspace:
        return self.workspaces.annotate

    @property
    def wiring(self) -> AnnotateWiring:
        return self.workspaces.wiring

    @property
    def train(self) -> TrainScreen:
        return self.workspaces.train

    @property
    def review(self) -> ReviewScreen:
        return self.workspaces.review

    @property
    def prototypes(self) -> PrototypesScreen:
        return self.workspaces.prototypes

    @property
    def desk(self) -> ModelService:
        return self.workspaces.desk

    @property
    def training(self) -> TrainingService:
        return self.workspaces.training

    def open_study(self, folder: Path) -> None:
        self.studies.open(folder)

    # made once

    def _lay_out(self) -> None:
        self.pages.addWidget(self.welcome)
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self.banner)
        right.addWidget(self.pages, 1)
        layout = QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.rail)
        layout.addLayout(right, 1)
        middle = QWidget()
        middle.setLayout(layout)
        self.setCentralWidget(middle)
        self.setStatusBar(self.status)

    def _fill_menus(self) -> None:
        self.actions_.fill(self.menuBar())
        menus, begin = self.actions_.menus, self.actions_["study.import"]
        recent_menu(menus["File"], begin, self.open_study)
        add_appearance(menus["View"], self._language, set_theme=self.set_theme, set_language=self.set_language)

    def _connect(self) -> None:
        act, studies = self.actions_, self.studies
        act.connect_to("study.new", studies.ask_new)
        act.connect_to("study.open", studies.ask_open)
        studies.imports.connect_to(act)
        act.connect_to("study.pacs", studies.ask_pacs)
        act.connect_to("study.import_model", studies.ask_model)
        act.connect_to("study.export", studies.ask_export)
        act.connect_to("study.demo", studies.ask_demo)
        act.connect_to("study.checkpoint", studies.ask_checkpoint)
        act.connect_to("study.close", studies.ask_close)
        self.care = care = StudyCare(self.session, self, self.open_study)
        act.connect_to("study.backup", care.ask_backup)
        act.connect_to("study.restore", care.ask_restore)
        act.connect_to("study.check", care.check)
        act.connect_to("help.self_test", care.self_test)
        DropTarget(self, self.session, studies)
        act.connect_to("application.quit", self.close)
        act.connect_to("edit.undo", partial(self._step, "undo"))
        act.connect_to("edit.redo", partial(self._step, "redo"))
        own = ProgramDialogs(act, self, self._language, set_theme=self.set_theme, set_language=self.set_language)
        own.keymap_applied.connect(self.take_keymap)
        act.connect_to("reader.sign_in", self._ask_reader)
        act.connect_to("reader.password", lambda: open_dialog(ask_new_password(self.session, self)))
        act.connect_to("reader.agreement", self._ask_agreement)
        act.connect_to("reader.group", self._ask_group)
        act.connect_to("reader.adjudicate", self._ask_adjudication)
        act.connect_to("view.calibrate", self._ask_screen)
        act.connect_checked("view.fullscreen", self._set_full_screen)
        for name in WORKSPACES:
            act.connect_to(f"workspace.{name}", partial(self._show_workspace, name))
        self.status.reader_clicked.connect(self._ask_reader)
        self.train_chip.clicked.connect(act["workspace.train"].trigger)
        self.welcome.study_wanted.connect(self.open_study)
        self.workspaces.refused.connect(self.status.say)
        self.workspaces.actions_changed.connect(self._enable_actions)
        self.workspaces.hint_changed.connect(self.status.show_hint)
        self.workspaces.undo_offered.connect(self._offer_undo)
        self.workspaces.import_wanted.connect(studies.imports.ask_folder)
        self.workspaces.search_failed.connect(lambda sentence: self.banner.say("worklist", sentence))
        self.workspaces.pointed.connect(self._show_pointer)
        studies.imports.image_wanted.connect(self._show_image)
        studies.imports.report_changed.connect(self._enable_actions)
        self.session.changed.connect(self._on_change)

    # what the session says

    def _on_change(self, change: Change) -> None:
        match change:
            case StudyOpened(name=name, read_only=why, synthetic=synthetic):
                self.setWindowTitle(f"{in_title(name)} — Marginalia")
                self.banner.clear(keep=OF_THE_PROGRAM)
                self.banner.say("read-only", why, tr("Try again") if why else "", self._open_again)
                self.status.show_study(synthetic=synthetic)
                self._show_workspace("annotate")
            case StudyClosed():
                self.setWindowTitle("Marginalia")
                self.banner.clear(keep=OF_THE_PROGRAM)
                self.status.show_study(synthetic=False)
                self.status.show_reader(None)
                self._show_welcome()
            case ReaderChanged(reader=reader) if self.session.is_open:
                self.status.show_reader(reader)
                unknown = reader is None and not self.session.read_only
                sentence = tr("Nobody is signed in. Sign in to draw and label.") if unknown else ""
                self.banner.say("reader", sentence, tr("Sign in…"), self._ask_reader)
            case StorageChanged(problem=problem):
                sentence = tr("Not saved yet; drawing is paused:") + f" {problem}" if problem else ""
                self.banner.say("storage", sentence, tr("Try again"), self._try_writing)
            case SelectionChanged(image_changed=True):
                self.banner.say("undo", "")
            case SelectionChanged() | LesionsChanged():
                pass
            case _:
                return
        self._enable_actions()

    def _enable_actions(self) -> None:
        """Every action by what it needs and the screen that is shown; undo and redo by that screen's history."""
        session, screen = self.session, self.workspaces.shown
        there: set[Need] = set()
        if session.is_open:
            there.add("study")
            if not session.read_only:
                there.add("writing")
                if session.reader is not None:
                    there.add("reader")
        there |= {"report"} if self.studies.imports.has_report else set()
        history = NoHistory() if screen is None else screen.history
        for step, text in (("undo", history.undo_text), ("redo", history.redo_text)):
            self.actions_.name_step(f"edit.{step}", text)
        there |= {"undo"} if history.undo_text else set()
        there |= {"redo"} if history.redo_text else set()
        there |= set() if screen is None else screen.available()
        self.actions_.enable(there, self.workspaces.shown_name)
        self.status.show_picture(self.workspaces.shown_name == "annotate")
        self.train_chip.show_train(self.workspaces.shown_name == "train")

    # pages

    def _show_welcome(self) -> None:
        self.welcome.refresh()
        self.pages.setCurrentWidget(self.welcome)
        self.rail.setVisible(False)
        self.workspaces.show_page("")

    def _show_workspace(self, name: ScreenName) -> None:
        self.rail.setVisible(True)
        self.actions_[f"workspace.{name}"].setChecked(True)
        self.workspaces.show_page(name)
        if name == "annotate":
            self.annotate.view.setFocus()

    # what the user does

    def _show_image(self, image_id: str) -> None:
        self._show_workspace("annotate")
        self.session.select(image_id)

    def _step(self, step: Literal["undo", "redo"]) -> None:
        """Take back, or do again, the last step on the screen that is shown."""
        screen = self.workspaces.shown
        if screen is not None:
            screen.history.undo() if step == "undo" else screen.history.redo()

    def set_theme(self, theme: str) -> None:
        settings.put("theme", theme)
        application = QApplication.instance()
        if isinstance(application, QApplication):
            apply_theme(application, Theme(theme))

    def set_language(self, language: str) -> None:
        """Close this window; the program opens the next one, on the same study, in that language."""
        if language == self._language:
            return
        settings.put("language", language)
        self.next_study = self.session.study.folder if self.session.is_open else None
        self.next_language = language
        if not self.close():
            self.next_language = ""

    def _set_full_screen(self, on: bool) -> None:
        self.setWindowState(self.windowState().WindowFullScreen if on else self.windowState().WindowNoState)

    def take_keymap(self, keymap: Keymap, preset: KeymapPreset) -> None:
        self.actions_.set_keymap(keymap)
        self.workspaces.set_preset(preset)

    def _ask_agreement(self) -> None:
        # brings the statistics of scipy, for which no start of the program should wait
        from app.views.dialogs.agreement import AgreementDialog

        open_dialog(AgreementDialog(self.session, self))

    def _ask_group(self) -> None:
        from app.views.dialogs.group_work import GroupDialog  # with scipy, as above

        open_dialog(GroupDialog(self.session, self))

    def _ask_adjudication(self) -> None:
        from app.views.dialogs.adjudication import AdjudicationDialog

        open_dialog(AdjudicationDialog(self.session, self))

    def _ask_reader(self) -> None:
        if self.session.is_open:
            open_dialog(SignInDialog(self.session, self))

    def _offer_undo(self, sentence: str, undo: Callable[[], None]) -> None:
        def take_back() -> None:
            self.banner.say("undo", "")
            undo()

        self.banner.say("undo", sentence, tr("Undo"), take_back)

    def _ask_screen(self) -> None:
        screen = self.screen().name()
        mm, grey = stored_calibration(screen)
        dialog = CalibrateDialog(self.devicePixelRatioF(), mm, grey, self)
        dialog.measured.connect(lambda mm, grey: self._take_calibration(screen, mm, grey))
        open_dialog(dialog)

    def _take_calibration(self, screen: str, mm: float, calibrated: bool) -> None:
        store_calibration(screen, mm, calibrated)
        self._show_calibration()

    def _show_calibration(self) -> None:
        mm, calibrated = stored_calibration(self.screen().name())
        self.workspaces.set_screen(mm, calibrated=calibrated)

    def _open_again(self) -> None:
        """Open the locked study again: it may be free now."""
        folder = self.session.study.folder
        self.studies.close()  # nothing runs in a study that could only be read
        self.studies.open(folder)

    def _try_writing(self) -> None:
        self.session.retry()
        self.workspaces.retry()

    def _show_pointer(self, view: MammogramView, reading: object) -> None:
        picture = view.picture
        self.status.show_pointer(reading, None if picture is None else picture.spacing_mm)

    # Qt

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.ActivationChange and self.isActiveWindow() and not self._placed:
            self._placed = True
            keep_on_screen(self)
        if event.type() == QEvent.Type.PaletteChange:
            self.actions_.refresh_icons(self.palette())
            self.workspaces.refresh_icons()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.workspaces.take_typing()
        self._try_writing()
        if self.session.unsaved and not may_lose_change(self):
            event.ignore()
            return
        if not self.studies.may_leave():
            event.ignore()
            return
        settings.put("window/geometry", self.saveGeometry())
        self.workspaces.remember_place()
        self.studies.close()
        self.welcome.stop()
        self.workspaces.stop()
        super().closeEvent(event)

    def _restore_place(self) -> None:
        room = self.screen().availableGeometry()
        self.setMinimumSize(QSize(min(960, room.width()), min(600, room.height() - TITLE)))
        geometry = settings.state("window/geometry")
        if geometry is None or not self.restoreGeometry(geometry):
            self.resize(min(1440, room.width()), min(900, room.height() - TITLE))
        if not self.isMaximized() and not self.isFullScreen():
            resize_on_screen(self, self.width(), min(self.height(), room.height() - TITLE))
