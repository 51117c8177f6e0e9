"""From a PACS: search, retrieve into the open study, go on with what is half there. Not modal: drawing goes on."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.dialogs import open_dialog
from app.qt.formatting import one_or_many
from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.task import Job, LongTask
from app.qt.translation import tr
from app.state.changes import Change, StudyClosed, StudyClosing, StudyOpened
from app.state.session import Session
from app.views.pacs.jobs import (
    ImportedExamination,
    KeepLink,
    PacsLogin,
    SecretNeededError,
    resume_job,
    retrieve_job,
    search_job,
    test_job,
)
from app.views.pacs.profile_dialog import ProfileDialog
from app.views.pacs.search_form import SearchForm
from app.views.pacs.tables import found_row, found_sentence, found_table, waiting_row, waiting_table
from app.widgets.label import Label
from core.domain.errors import Cancelled, MarginaliaError, PacsLoginError
from core.domain.events import Event, Progress
from core.pacs.credentials import forget_secret
from core.pacs.inbox import Inbox, Transfer
from core.pacs.profile import Profile, Profiles, destination, inbox_folder
from core.pacs.query import Found, FoundStudy, Query

MakeJob = Callable[[PacsLogin], Job]


class PacsDialog(QDialog):
    imported = Signal(int)
    """Images that came into the study."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("From a PACS"))
        self.setWindowModality(Qt.WindowModality.NonModal)
        self._session = session
        self._profiles, self._inbox = Profiles(), Inbox(inbox_folder())
        self._typed: dict[str, str] = {}
        self._found: tuple[FoundStudy, ...] = ()
        self._asked, self._asked_of = Query(), ""
        self._waiting: tuple[Transfer, ...] = ()
        self._again: Callable[[], None] | None = None
        self._running_profile = ""
        self.task: LongTask | None = None
        self._make_widgets()
        self._lay_out()
        for button in self.findChildren(QPushButton):
            button.setAutoDefault(False)
        self.search.button.setDefault(True)
        self.resize(1060, 620)
        session.changed.connect(self._on_change)
        self.refresh_profiles()
        self.refresh_waiting()

    def _make_widgets(self) -> None:
        self.profile = QComboBox()
        self.profile.setMinimumWidth(280)
        self.profile.setAccessibleName(tr("PACS"))
        self.new, self.change, self.remove = (
            QPushButton(tr("New…")),
            QPushButton(tr("Change…")),
            QPushButton(tr("Remove")),
        )
        self.test = QPushButton(tr("Test"))
        self.search = SearchForm()
        self.table, self.waiting = found_table(), waiting_table()
        self.waiting_title = Label(tr("Partly transferred, not imported:"))
        self.resume, self.as_it_is, self.discard = (
            QPushButton(tr("Resume")),
            QPushButton(tr("Import what has arrived")),
            QPushButton(tr("Delete")),
        )
        self.text = Label()
        self.text.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setVisible(False)
        self.keep_link = QCheckBox(tr("Keep the link to the patients, encrypted"))
        self.keep_link.setToolTip(
            tr("Needed to send results back. Without a passphrase the key lies in this computer's key store.")
        )
        self.passphrase = QLineEdit()
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.passphrase.setPlaceholderText(tr("Passphrase, if you want one"))
        self.passphrase.setAccessibleName(tr("Passphrase of the identity file"))
        self.passphrase.setVisible(False)
        self.keep_link.toggled.connect(self.passphrase.setVisible)
        self.hint = Label(tr("Open or make a study first; searching works without one."))
        self.hint.setObjectName("faint")
        self.get = QPushButton(tr("Retrieve into the study"))
        self.close_button = QPushButton(tr("Close"))
        self.new.clicked.connect(lambda: self._set_up(None))
        self.change.clicked.connect(self._change)
        self.remove.clicked.connect(self._ask_remove)
        self.test.clicked.connect(self._test)
        self.search.wanted.connect(self._search)
        self.table.itemSelectionChanged.connect(self._enable)
        self.table.itemDoubleClicked.connect(self._retrieve)
        self.waiting.itemSelectionChanged.connect(self._enable)
        self.resume.clicked.connect(self._resume)
        self.as_it_is.clicked.connect(self._import_as_it_is)
        self.discard.clicked.connect(self._discard)
        self.get.clicked.connect(self._retrieve)
        self.close_button.clicked.connect(self._press)

    def _lay_out(self) -> None:
        layout = dialog_column(self)
        layout.addLayout(
            _line(Label(tr("PACS")), self.profile, self.new, self.change, self.remove, self.test, None)
        )
        layout.addWidget(self.search)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.waiting_title)
        layout.addWidget(self.waiting)
        layout.addLayout(_line(None, self.resume, self.as_it_is, self.discard))
        layout.addWidget(self.text)
        layout.addWidget(self.progress)
        layout.addLayout(_line(self.keep_link, self.passphrase, None, self.hint, self.get, self.close_button))

    # profiles

    def refresh_profiles(self, chosen: str = "") -> None:
        chosen = chosen or self.profile.currentData() or ""
        self.profile.clear()
        try:
            for one in self._profiles.all():
                self.profile.addItem(f"{one.name}  ({destination(one)})", one.name)
        except MarginaliaError as error:
            self.text.setText(translate_message(error))
        self.profile.setCurrentIndex(max(0, self.profile.findData(chosen)))
        if not self.profile.count():
            self.text.setText(tr("No PACS is set up yet: press “New…”."))
        self._enable()

    def _set_up(self, known: Profile | None) -> None:
        dialog = ProfileDialog(self._profiles, known, self)
        dialog.saved.connect(self._take_profile)
        open_dialog(dialog)

    def _change(self) -> None:
        known = [one for one in self._profiles.all() if one.name == self.profile.currentData()]
        self._set_up(known[0] if known else None)

    def _take_profile(self, name: str, typed: str) -> None:
        self._typed.pop(name, None)
        if typed:
            self._typed[name] = typed
        self.text.setText("")
        self.refresh_profiles(name)

    def _ask_remove(self) -> None:
        name = self.profile.currentData()
        box = QMessageBox(self)
        box.setWindowTitle(tr("Remove a PACS"))
        box.setText(tr("Remove the profile {name} and its password?", name=name))
        remove = box.addButton(tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        remove.clicked.connect(lambda: self._remove(name))
        open_dialog(box)

    def _remove(self, name: str) -> None:
        try:
            self._profiles.remove(name)
            forget_secret(name)
        except MarginaliaError as error:
            self.text.setText(translate_message(error))
        self._typed.pop(name, None)
        self.refresh_profiles()

    # work

    def _start(self, name: str, make: MakeJob, say: str) -> None:
        """Run a job that logs in with the profile of this name; asked for the password where it is needed."""
        try:
            profile = self._profiles.get(name)
        except MarginaliaError as error:
            self.text.setText(translate_message(error))
            return
        self._again = lambda: self._start(name, make, say)
        self._running_profile = name
        self._run(make(PacsLogin(profile=profile, typed=self._typed.get(name, ""))), say)

    def _run(self, job: Job, say: str) -> None:
        self.text.setText(say)
        self.progress.setMaximum(0)
        self.progress.setVisible(True)
        self.task = LongTask(job, self, name="pacs")
        self.task.said.connect(self._show_event)
        self.task.ended.connect(self._end)
        self.task.start()
        self._enable()

    def _test(self) -> None:
        self._start(self.profile.currentData(), test_job, tr("Asking the PACS …"))

    def _search(self) -> None:
        if self.task is not None or not self.profile.count():
            return
        query = self.search.query
        self._asked, self._asked_of = query, self.profile.currentData()
        self._start(self._asked_of, lambda login: search_job(login, query), tr("Searching …"))

    def _retrieve(self) -> None:
        wanted = [self._found[row] for row in self.table.chosen]
        if not (wanted and self._writable and self.task is None):
            return
        study, query, keep = self._session.study, self._asked, self._kept
        self._start(
            self._asked_of,
            lambda login: retrieve_job(login, self._inbox, wanted, query, study, keep_link=keep),
            tr("Getting images …"),
        )

    def _resume(self) -> None:
        transfer, study, keep = self._chosen_transfer, self._session.study, self._kept
        self._start(
            transfer.journal.profile,
            lambda login: resume_job(login, transfer, study, keep_link=keep),
            tr("Getting images …"),
        )

    def _import_as_it_is(self) -> None:
        job = resume_job(None, self._chosen_transfer, self._session.study, keep_link=self._kept)
        self._again = None
        self._run(job, tr("Importing …"))

    def _discard(self) -> None:
        self._chosen_transfer.discard()
        self.refresh_waiting()

    @property
    def _kept(self) -> KeepLink | None:
        return KeepLink(passphrase=self.passphrase.text()) if self.keep_link.isChecked() else None

    @property
    def _chosen_transfer(self) -> Transfer:
        return self._waiting[self.waiting.chosen[0]]

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self.progress.setMaximum(event.total)
            self.progress.setValue(event.done)
            words = {
                "retrieve": tr("{done} of {all} images received", done=event.done, all=event.total),
                "check": tr("{done} of {all} images checked", done=event.done, all=event.total),
                "import": tr("{done} of {all} images", done=event.done, all=event.total),
            }
            self.text.setText(words.get(event.stage, ""))

    def _end(self, outcome: WorkResult) -> None:
        self.task = None
        self.progress.setVisible(False)
        self.close_button.setEnabled(True)
        value, error = outcome.value, outcome.error
        if isinstance(value, Found):
            self._show_found(value)
        elif isinstance(value, ImportedExamination):
            self._show_brought(value)
        elif isinstance(error, SecretNeededError):
            self._ask_secret(translate_message(error.sentence))
        elif isinstance(error, Cancelled):
            self.text.setText(tr("Cancelled; complete images are kept, and the transfer can be resumed."))
        elif error is not None:
            if isinstance(error, PacsLoginError):
                self._typed.pop(self._running_profile, None)
            self.text.setText(outcome.sentence)
        else:
            self.text.setText(tr("The PACS answers."))
        self.refresh_waiting()

    def _ask_secret(self, what: str) -> None:
        dialog = QInputDialog(self)
        dialog.setWindowTitle(tr("Login"))
        dialog.setLabelText(what)
        dialog.setTextEchoMode(QLineEdit.EchoMode.Password)
        dialog.textValueSelected.connect(self._take_secret)
        self.text.setText("")
        open_dialog(dialog)

    def _take_secret(self, typed: str) -> None:
        if typed and self._again is not None:
            self._typed[self._running_profile] = typed
            self._again()

    def _show_found(self, found: Found) -> None:
        self._found = found.studies
        self.table.fill([found_row(study) for study in found.studies])
        self.text.setText(found_sentence(found))

    def _show_brought(self, brought: ImportedExamination) -> None:
        one, many = tr("1 image imported."), tr("{n} images imported.", n=brought.images)
        words = [one_or_many(brought.images, one, many), *brought.left_out[:3]]
        self.text.setText(" ".join(words))
        self.imported.emit(brought.images)

    # state

    def refresh_waiting(self) -> None:
        self._waiting = self._inbox.transfers()
        self.waiting.fill([waiting_row(transfer) for transfer in self._waiting])
        if self._waiting:
            self.waiting.selectRow(0)
        there = bool(self._waiting)
        for widget in (self.waiting_title, self.waiting, self.resume, self.as_it_is, self.discard):
            widget.setVisible(there)
        self._enable()

    @property
    def _writable(self) -> bool:
        return self._session.is_open and not self._session.read_only

    def _enable(self) -> None:
        idle, some = self.task is None, self.profile.count() > 0
        self.new.setEnabled(idle)
        for widget in (self.profile, self.change, self.remove, self.test, self.search.button):
            widget.setEnabled(idle and some)
        self.get.setEnabled(idle and self._writable and bool(self.table.chosen))
        self.hint.setVisible(not self._writable)
        chosen = bool(self.waiting.chosen) and bool(self._waiting)
        can_fetch = chosen and bool(self._chosen_transfer.journal.study_uid)
        self.resume.setEnabled(idle and self._writable and can_fetch)
        self.as_it_is.setEnabled(idle and self._writable and chosen and bool(self._chosen_transfer.files))
        self.discard.setEnabled(idle and chosen)
        self.close_button.setText(tr("Close") if idle else tr("Cancel"))

    def _on_change(self, change: Change) -> None:
        if isinstance(change, StudyClosing):
            self.stop()
        elif isinstance(change, StudyOpened | StudyClosed):
            self._enable()

    def stop(self) -> None:
        """End what runs, before the study closes; what came is kept in the inbox."""
        if self.task is not None:
            self.task.wait()

    def _press(self) -> None:
        if self.task is not None:
            self.close_button.setEnabled(False)
            self.text.setText(tr("Stopping after the present image …"))
            self.task.cancel()
        else:
            self._typed.clear()
            self.passphrase.clear()
            # not close(): its event rejects, which is overridden to come here
            super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.task is not None:
            event.ignore()
            self._press()
        else:
            super().closeEvent(event)

    def reject(self) -> None:
        self._press()


def _line(*widgets: QWidget | None) -> QHBoxLayout:
    """Widgets beside each other; None is room that stretches."""
    line = QHBoxLayout()
    for widget in widgets:
        if widget is None:
            line.addStretch()
        else:
            line.addWidget(widget)
    return line
