"""Opening, making, importing: what the menu File does, with its dialogs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QInputDialog, QWidget

from app.qt import settings
from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.task import Job
from app.qt.translation import tr
from app.state.changes import RunsChanged
from app.state.session import Session
from app.views.main_window.import_menu import ImportController
from core.domain.errors import MarginaliaError, ServerLoginError
from core.domain.events import Emit, IsCancelled
from core.store.names import DATABASE, is_study
from core.store.trusted_studies import is_known, mark_trusted

if TYPE_CHECKING:
    from app.views.dialogs.new_study import ServerLogin
    from app.views.exporting.dialog import ExportDialog
    from app.views.importing.model_dialog import ImportModelDialog
    from app.views.pacs.dialog import PacsDialog
    from core.tasks.studies.recovery import Recovery

DEMO_PATIENTS = 60
"""Enough for a training whose figures mean something, made in about a minute."""


class FileMenuController(QObject):
    """Controller of the File menu.

    ``say(about, sentence, button, act)`` shows the user a sentence, with at most one action for it.
    ``may_leave()``: True if the open study, with its running jobs, may be closed now."""

    def __init__(
        self,
        session: Session,
        window: QWidget,
        say: Callable[..., None],
        may_leave: Callable[[], bool],
    ) -> None:
        super().__init__(window)
        self.may_leave = may_leave
        self._session, self._window, self._say = session, window, say
        self.imports = ImportController(session, window)
        self.pacs: PacsDialog | None = None
        self.exporting: ExportDialog | None = None
        self.model_import: ImportModelDialog | None = None

    def open(self, folder: Path) -> None:
        """Open a study, or show why not; one that is unknown on this computer must be checked first."""
        self._say("study", "")
        if is_study(folder) and not is_known(folder):
            from app.views.dialogs.foreign_study import ForeignStudyDialog

            dialog = ForeignStudyDialog(folder, self._window)
            dialog.wanted.connect(lambda: self.open_trusted(folder))
            open_dialog(dialog)
        elif folder.is_dir() and not is_study(folder) and self._can_import:
            sentence = tr("{folder} is not a study: it has no {file}.", folder=folder, file=DATABASE)
            self._say("study", sentence, tr("Import its images…"), lambda: self.import_paths([folder]))
        else:
            self._open(folder)

    @property
    def _can_import(self) -> bool:
        """True if images have somewhere to go: the open study, or a new one."""
        return not self._session.is_open or self._session.can_write

    def import_paths(self, paths: Sequence[Path]) -> None:
        """Show what one folder, or files, would bring into the open study, or into a new one."""
        self._say("study", "")
        if self._session.is_open:
            self.imports.offer(paths)
        else:
            self.ask_new_for(paths)

    def open_trusted(self, folder: Path) -> None:
        """Open a study that was checked, or that its user trusts; the user is not asked about it again."""
        mark_trusted(folder)
        self._open(folder)

    def _open(self, folder: Path) -> None:
        if not self.may_leave():
            return
        self.stop()
        try:
            self._session.open_study(folder)
        except ServerLoginError:
            self._ask_login(folder)
            return
        except MarginaliaError as error:
            self._say("study", translate_message(error))
            return
        self._welcome(folder)

    def _ask_login(self, folder: Path) -> None:
        """The server wants another user or password than this computer has."""
        from app.views.dialogs.server_login import ServerLoginDialog

        dialog = ServerLoginDialog(self._session, folder, self._window)
        dialog.accepted.connect(lambda: self._welcome(folder))
        dialog.unkept.connect(lambda sentence: self._say("study", sentence))
        open_dialog(dialog)

    def _welcome(self, folder: Path) -> None:
        """Remember the study that was opened, and say what was recovered."""
        from core.tasks.studies.recovery import recovery_of

        settings.remember_study(folder.absolute(), self._session.study.info.name)
        found = recovery_of(self._session.study)
        if found is not None:
            sentence = tr("This study was not closed properly last time; everything that was saved is there.")
            self._say("recovery", sentence, tr("What was recovered"), lambda: self._show_recovery(found))

    def _show_recovery(self, found: Recovery) -> None:
        from app.views.dialogs.recovery import RecoveryDialog

        self._say("recovery", "")
        open_dialog(RecoveryDialog(found, self._window))

    def create(
        self, folder: Path, name: str, *, synthetic: bool = False, server: ServerLogin | None = None
    ) -> bool:
        """Make a study and open it; False where the user stays in another one or it cannot be made."""
        if not self.may_leave():
            return False
        self._say("study", "")
        self.stop()
        try:
            address = "" if server is None else _kept(server)
            self._session.create_study(folder, name, synthetic=synthetic, server=address)
            mark_trusted(folder)
        except MarginaliaError as error:
            self._say("study", translate_message(error))
            return False
        settings.remember_study(folder.absolute(), name)
        return True

    def ask_close(self) -> None:
        if self.may_leave():
            self.close()

    def close(self) -> None:
        """At once; a training that runs goes on alone."""
        self.stop()
        self._session.close_study()

    def stop(self) -> None:
        """End an import, export or import of a model that is under way; what an import finished is kept."""
        self._end_export()
        self._end_model_import()
        self.imports.stop()
        if self.pacs is not None:
            self.pacs.stop()

    def _end_export(self) -> None:
        if self.exporting is not None:
            self.exporting.stop()
            self.exporting.close()
            self.exporting.deleteLater()
            self.exporting = None

    def _end_model_import(self) -> None:
        if self.model_import is not None:
            self.model_import.stop()
            self.model_import.close()
            self.model_import.deleteLater()
            self.model_import = None

    def ask_open(self) -> None:
        dialog = QFileDialog(self._window, tr("Folder of the study"), str(_last_place()))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda chosen: self.open(Path(chosen)))
        open_dialog(dialog)

    def ask_new(self) -> None:
        from app.views.dialogs.new_study import NewStudyDialog

        note = tr("A study is a folder that holds images, annotations and models together.")
        dialog = NewStudyDialog(tr("New study"), "", note, self._window)
        dialog.accepted.connect(lambda: self.create(dialog.folder, dialog.name, server=dialog.server))
        open_dialog(dialog)

    def ask_new_for(self, paths: Sequence[Path]) -> None:
        """A new study, into which these files or this folder are imported."""
        from app.views.dialogs.new_study import NewStudyDialog

        note = tr("The images are imported into a new study.")
        first = paths[0] if paths[0].is_dir() else paths[0].parent
        dialog = NewStudyDialog(tr("New study"), first.name, note, self._window)
        dialog.accepted.connect(
            lambda: self.create(dialog.folder, dialog.name, server=dialog.server) and self.imports.offer(paths)  # type: ignore[func-returns-value]
        )
        open_dialog(dialog)

    def ask_demo(self) -> None:
        from app.views.dialogs.new_study import NewStudyDialog

        note = tr(
            "Makes a study of synthetic patients, seen in two views each, with labels and fine annotations to "
            "train on. No image shows a person.",
        )
        dialog = NewStudyDialog(tr("New demo study"), "Demo", note, self._window, patients=DEMO_PATIENTS)
        dialog.accepted.connect(lambda: self.make_demo(dialog.folder, dialog.name, patients=dialog.patients))
        open_dialog(dialog)

    def ask_pacs(self) -> None:
        """Search and retrieval; one screen, which stays as it is while it is closed."""
        from app.views.pacs.dialog import PacsDialog

        if self.pacs is None:
            self.pacs = PacsDialog(self._session, self._window)
            self.pacs.imported.connect(self._session.imported)
        self.pacs.refresh_profiles()
        self.pacs.refresh_waiting()
        self.pacs.show()
        self.pacs.raise_()

    def ask_export(self) -> None:
        from app.views.exporting.dialog import ExportDialog

        self._end_export()
        self.exporting = ExportDialog(self._session.study, self._window)
        self.exporting.open()

    def ask_model(self) -> None:
        from core.exchange.models.archive import SUFFIX

        dialog = QFileDialog(self._window, tr("File of the model"), str(_last_place()))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([tr("Shared models (*{ending})", ending=SUFFIX), tr("All files (*)")])
        dialog.fileSelected.connect(lambda chosen: self.import_model(Path(chosen)))
        open_dialog(dialog)

    def import_model(self, path: Path) -> None:
        """Ask under which name and with which split, then take it over."""
        from app.views.importing.model_dialog import ImportModelDialog

        self._end_model_import()
        self.model_import = ImportModelDialog(self._session.study, path, self._window)
        self.model_import.imported.connect(self._take_model)
        self.model_import.open()

    def make_demo(self, folder: Path, name: str, *, patients: int) -> None:
        """A new study of synthetic mammograms, made beside it and imported."""
        if self.create(folder, name, synthetic=True):
            from app.views.importing.results import import_folder

            source = folder / "source"
            self.imports.run(source, _demo_job(source, patients, import_folder(source, self._session.study)))

    def ask_checkpoint(self) -> None:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle(tr("Name this state"))
        dialog.setLabelText(
            tr("Every stroke is already saved. A name makes this state easy to find in the history:")
        )
        dialog.textValueSelected.connect(self._name_checkpoint)
        open_dialog(dialog)

    def _name_checkpoint(self, name: str) -> None:
        if name.strip() and self._session.lesion_id is not None:
            self._session.name_checkpoint(self._session.lesion_id, name.strip())

    def _take_model(self, run_id: str) -> None:
        self._session.changed.emit(RunsChanged(run_id=run_id))


def _demo_job(source: Path, patients: int, then: Job) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> object:
        from core.phantom.config import PhantomConfig
        from core.phantom.source import write_study_source

        config = PhantomConfig(patients=patients)
        write_study_source(source, config, workers=1, emit=emit, cancelled=cancelled)
        try:
            return then(emit, cancelled)
        finally:
            # the study holds the decoded pixels; the files would only double the space
            shutil.rmtree(source, ignore_errors=True)

    return job


def _last_place() -> Path:
    recent = settings.recent_studies()
    return recent[0].parent if recent else Path.home()


def _kept(server: ServerLogin) -> str:
    """Keep the login of this computer; the address of the server."""
    from core.store.location import keep_login_at  # with the library of databases

    return keep_login_at(server.address, server.user, server.password)
