"""Import of images from files and folders: what is asked, what is shown before, and the import itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QWidget

from app.actions.actions import Actions
from app.qt import settings
from app.qt.dialogs import open_dialog
from app.qt.task import Job
from app.qt.translation import tr
from app.state.session import Session

if TYPE_CHECKING:
    from app.views.importing.dialog import ImportDialog
    from app.views.importing.preview import ImportPreview
    from app.views.importing.results import FoundFiles, ImportChoices, ImportResult

_PLACE = "folders/images"


class ImportController(QObject):
    image_wanted = Signal(str)
    """Id of an image that the user chose in the report of an import."""
    report_changed = Signal()
    """Emitted when ``has_report`` changed."""

    def __init__(self, session: Session, window: QWidget) -> None:
        super().__init__(window)
        self._session, self._window = session, window
        self.preview: ImportPreview | None = None
        self.dialog: ImportDialog | None = None
        """The import that runs, or the report of the last one."""

    def connect_to(self, actions: Actions) -> None:
        actions.connect_to("study.import", self.ask_folder)
        actions.connect_to("study.import_files", self.ask_files)
        actions.connect_to("study.import_data_set", self.ask_data_set)

        actions.connect_to("study.import_report", self.show_report)

    @property
    def has_report(self) -> bool:
        """True if an import of the open study runs or has ended: what happened to its files can be shown."""
        return self.dialog is not None

    def show_report(self) -> None:
        """Show the import that runs, or the report of the last one again."""
        if self.dialog is not None:
            self.dialog.show()
            self.dialog.raise_()
            self.dialog.activateWindow()

    def stop(self) -> None:
        """End what is under way; what an import finished is kept."""
        self._end_preview()
        if self.dialog is not None:
            self.dialog.stop()
            self.dialog.close()
            # the window is its parent and would keep it, with a row for every file, as long as it lives
            self.dialog.deleteLater()
            self.dialog = None
            self.report_changed.emit()

    def _end_preview(self) -> None:
        if self.preview is not None:
            self.preview.give_up()
            self.preview = None

    def ask_folder(self) -> None:
        dialog = QFileDialog(self._window, tr("Folder with images"), str(image_place()))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(lambda chosen: self.offer([Path(chosen)]))
        open_dialog(dialog)

    def ask_files(self) -> None:
        dialog = QFileDialog(self._window, tr("Image files"), str(image_place()))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(lambda chosen: self.offer([Path(one) for one in chosen]))
        open_dialog(dialog)

    def ask_data_set(self) -> None:
        from app.views.importing.data_set_dialog import DataSetDialog

        dialog = DataSetDialog(image_place(), self._window)
        dialog.wanted.connect(lambda folder, layout: self.offer([folder], layout))
        open_dialog(dialog)

    def offer(self, paths: Sequence[Path], layout: str = "") -> None:
        """Show what one folder, or these files, would bring into the open study."""
        from app.views.importing.preview import ImportPreview

        self._end_preview()
        settings.put(_PLACE, str(paths[0].absolute().parent))
        self.preview = ImportPreview(paths, self._session.study, layout, self._window)
        self.preview.wanted.connect(self._import)
        self.preview.open()

    def import_from(self, folder: Path, layout: str = "") -> None:
        """Import a folder at once."""
        from app.views.importing.results import import_folder

        self.run(folder, import_folder(folder, self._session.study, layout))

    def run(self, folder: Path, job: Job) -> None:
        from app.views.importing.dialog import ImportDialog

        self.stop()
        self.dialog = ImportDialog(folder, job, self._window)
        self.dialog.imported.connect(self._take)
        self.dialog.image_wanted.connect(self.image_wanted)
        self.dialog.start()
        self.report_changed.emit()

    def _import(self, found: FoundFiles, choices: ImportChoices) -> None:
        from app.views.importing.results import import_found

        self.run(found.folder, import_found(found, self._session.study, choices))

    def _take(self, result: ImportResult) -> None:
        self._session.imported(result.images)


def image_place() -> Path:
    """The folder beside which images were imported last; at first the user's own."""
    place = Path(settings.text(_PLACE, str(Path.home())))
    return place if place.is_dir() else Path.home()
