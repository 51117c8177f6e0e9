"""Backup, restore and check of a study, and the self-test of this computer: what the menus File and Help offer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.session import Session
from app.views.dialogs.work_dialog import WorkDialog
from core.domain.errors import Cancelled
from core.domain.events import Emit, IsCancelled, Progress

if TYPE_CHECKING:
    from core.store.archive import Manifest
    from core.store.check import CheckReport

ENDING = ".zip"


class StudyCare(QObject):
    def __init__(self, session: Session, window: QWidget, opened: Callable[[Path], object]) -> None:
        """``opened`` opens a study that was restored."""
        super().__init__(window)
        self._session, self._window, self._opened = session, window, opened

    def ask_backup(self) -> None:
        folder = self._session.study.folder
        dialog = QFileDialog(self._window, tr("New file for the backup"), str(folder.parent))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(tr("Backups (*{ending})", ending=ENDING))
        dialog.setDefaultSuffix(ENDING)
        dialog.selectFile(folder.name + ENDING)
        dialog.fileSelected.connect(lambda chosen: self.back_up(Path(chosen)))
        open_dialog(dialog)

    def back_up(self, file: Path) -> None:
        study = self._session.study

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.store.archive import write_archive

            return write_archive(study, file, progress=_progress(emit, cancelled))

        def told(found: object) -> str:
            manifest: Manifest = found  # type: ignore[assignment]
            return tr(
                "{n} files were written to {file} and verified. The backup holds images of patients: keep it as "
                "you keep the study.",
                n=len(manifest.files),
                file=file,
            )

        self._work(tr("Back up the study"), tr("Writing and verifying the backup …"), job, told)

    def ask_restore(self) -> None:
        dialog = QFileDialog(self._window, tr("Backup to restore"), str(Path.home()))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([tr("Backups (*{ending})", ending=ENDING), tr("All files (*)")])
        dialog.fileSelected.connect(lambda chosen: self._ask_folder(Path(chosen)))
        open_dialog(dialog)

    def _ask_folder(self, file: Path) -> None:
        dialog = QFileDialog(self._window, tr("Empty folder for the study"), str(file.parent))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda chosen: self.restore(file, Path(chosen)))
        open_dialog(dialog)

    def restore(self, file: Path, folder: Path) -> None:
        """Unpack into a new or empty folder, and open the study."""

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.store.trusted_studies import mark_trusted
            from core.tasks.studies.check_job import restore_apart

            manifest = restore_apart(file, folder, emit=emit, cancelled=cancelled)
            mark_trusted(folder)
            return manifest

        def told(found: object) -> str:
            manifest: Manifest = found  # type: ignore[assignment]
            self._opened(folder)
            return tr("{name} was restored to {folder} and verified.", name=manifest.study_name, folder=folder)

        self._work(tr("Restore a backup"), tr("Unpacking and verifying …"), job, told)

    def check(self) -> None:
        study = self._session.study

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            from core.store.check import check_study

            return check_study(study, progress=_progress(emit, cancelled), cancelled=cancelled)

        self._work(tr("Check the study"), tr("Comparing every file with its hash …"), job, check_words)

    def self_test(self) -> None:
        def job(emit: Emit, cancelled: IsCancelled) -> object:
            import tempfile

            from core.tasks.studies.self_test import self_test, self_test_text

            with tempfile.TemporaryDirectory() as folder:
                return self_test_text(self_test(Path(folder), emit=emit, cancelled=cancelled))

        self._work(tr("Self-test"), tr("Testing this computer; this takes about a minute …"), job, str)

    def _work(
        self,
        title: str,
        doing: str,
        job: Callable[[Emit, IsCancelled], object],
        told: Callable[[object], str],
    ) -> None:
        open_dialog(WorkDialog(title, doing, job, told, self._window))


def check_words(found: object) -> str:
    """The verdict in the first line, then one line each of what is wrong or would be made again."""
    report: CheckReport = found  # type: ignore[assignment]
    verdict = (
        tr(
            "The study is sound: {images} images and {lesions} lesions were checked.",
            images=report.images,
            lesions=report.lesions,
        )
        if report.good
        else tr("The study is damaged. Problems: {n}.", n=len(report.problems))
    )
    lines = [translate_message(problem.sentence) for problem in report.problems]
    return "\n".join([verdict, *lines, *map(translate_message, (*report.rebuild, *report.unused))])


def _progress(emit: Emit, cancelled: IsCancelled) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        if cancelled():
            raise Cancelled
        emit(Progress(stage="files", done=done, total=total))

    return tell
