"""Export: what is written, and in words what leaves the machine with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.dialogs import open_dialog
from app.qt.formatting import one_or_many
from app.qt.spacing import dialog_column
from app.qt.task import Job, LongTask
from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Emit, Event, IsCancelled, Progress
from core.domain.messages import message
from core.domain.study import RunStatus
from core.exchange.export import export
from core.exchange.formats import ExportFormat, ExportRequest, format_ids, format_of
from core.platform.plugins import PluginError
from core.store.identity import IdentityFile, KeyStore, Passphrase, has_identity, identity_key_kind
from core.store.study import Study


def format_name(kind: str) -> str:
    """Return the title of a format in the language of the window; of a plug-in its own."""
    titles = {
        "seg": tr("DICOM segmentations (SEG)"),
        "sr": tr("DICOM structured reports (SR)"),
        "gsps": tr("DICOM presentation states (GSPS)"),
        "coco": tr("COCO annotations"),
        "png": tr("PNG masks"),
        "nifti": tr("NIfTI masks"),
        "csv": tr("Table (CSV)"),
        "authors": tr("Layout of the paper's code (.npy)"),
        "model": tr("Model for another study"),
        "onnx": tr("Network as ONNX"),
    }
    return titles.get(kind) or format_of(kind).title


def what_leaves(kind: ExportFormat, *, identifiers: bool, pictures: bool) -> str:
    """Return a description of the patient data in the files."""
    if identifiers:
        return tr(
            "These files carry the ORIGINAL IDENTIFIERS of patients. They are for the archive that the images "
            "came from and for nowhere else."
        )
    if "pictures" in kind.options and pictures:
        return tr(
            "The file contains IMAGES OF PATIENTS: the lesions that the prototypes come from. Pass it on only as "
            "their source and your ethics approval allow."
        )
    if kind.content == "vectors":
        return tr(
            "The file contains no pictures. Its prototypes are latent vectors of patches of training "
            "images: anyone who has such an image can find out whether the model was trained on it."
        )
    if kind.content == "regions":
        return tr(
            "The files contain cut-outs of the mammograms. They carry only the study's pseudonyms, "
            "and are still personal data."
        )
    return tr(
        "The files contain masks, shapes and labels, but no images. They carry only the study's "
        "pseudonyms: no identifiers, no comments."
    )


def usable_formats() -> tuple[ExportFormat, ...]:
    """Return the built-in formats, and those of the plug-ins that can be loaded."""
    found = []
    for name in format_ids():
        with suppress(PluginError):  # the command line names it, with the reason
            found.append(format_of(name))
    return tuple(found)


class ExportDialog(QDialog):
    def __init__(self, study: Study, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Export"))
        self._study = study
        self.task: LongTask | None = None
        self.kind, self.run = QComboBox(), QComboBox()
        for one in usable_formats():
            self.kind.addItem(format_name(one.id), one.id)
        self.identifiers = QCheckBox(tr("With the original identifiers, for the archive"))
        self.pictures = QCheckBox(tr("With the pictures of the prototypes"))
        self.passphrase = QLineEdit()
        self.passphrase.setEchoMode(QLineEdit.EchoMode.Password)
        self.passphrase.setPlaceholderText(tr("Passphrase of the identity file"))
        self.leaves, self.said = Label(), Label()
        for label in (self.leaves, self.said):
            label.setWordWrap(True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setVisible(False)
        self.start_button, self.close_button = QPushButton(tr("Export…")), QPushButton(tr("Close"))
        self.start_button.setDefault(True)
        self.show_button = QPushButton(tr("Show folder"))
        self.show_button.hide()
        self._target = Path()
        """Target of the last export."""
        self._lay_out()
        self.kind.currentIndexChanged.connect(self._refresh)
        self.identifiers.toggled.connect(self._refresh)
        self.pictures.toggled.connect(self._refresh)
        self.start_button.clicked.connect(self._ask_target)
        self.close_button.clicked.connect(self.reject)
        self.show_button.clicked.connect(self._show_target)
        self._refresh()

    def _lay_out(self) -> None:
        form = self._form = QFormLayout()
        form.addRow(tr("What"), self.kind)
        form.addRow(tr("Run"), self.run)
        buttons = QHBoxLayout()
        buttons.addWidget(self.show_button)
        buttons.addStretch()
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.close_button)
        layout = dialog_column(self)
        layout.addLayout(form)
        for widget in (self.identifiers, self.passphrase, self.pictures, self.leaves, self.progress, self.said):
            layout.addWidget(widget)
        layout.addStretch()
        layout.addLayout(buttons)
        self.resize(560, 240)

    @property
    def format(self) -> ExportFormat:
        return format_of(str(self.kind.currentData()))

    def _refresh(self) -> None:
        kind, chosen = self.format, self.run.currentText()
        self.run.clear()
        if not kind.needs_run:
            self.run.addItem(tr("without a model's findings"), "")
        for run in self._study.runs.all():
            if run.status is RunStatus.FINISHED:
                self.run.addItem(run.name, run.name)
        self.run.setCurrentIndex(max(0, self.run.findText(chosen)))
        self._form.setRowVisible(self.run, "run" in kind.options)
        possible = "identity" in kind.options and has_identity(self._study.folder)
        self.identifiers.setVisible(possible)
        asked = possible and self.identifiers.isChecked()
        self.passphrase.setVisible(asked and identity_key_kind(self._study.folder) == "passphrase")
        self.pictures.setVisible("pictures" in kind.options)
        self.leaves.setText(what_leaves(kind, identifiers=asked, pictures=self.pictures.isChecked()))
        self.start_button.setEnabled(not kind.needs_run or self.run.count() > 0)
        self.said.setText("")

    def _ask_target(self) -> None:
        kind = self.format
        if not kind.file_name:
            folder = QFileDialog(self, tr("Folder for the files"), str(self._study.folder.parent))
            folder.setFileMode(QFileDialog.FileMode.Directory)
            folder.setOption(QFileDialog.Option.ShowDirsOnly)
            folder.fileSelected.connect(lambda chosen: self.write(target_in(Path(chosen), kind.id)))
            open_dialog(folder)
            return
        dialog = QFileDialog(self, tr("New file"), str(self._study.folder.parent))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setFileMode(QFileDialog.FileMode.AnyFile)
        dialog.selectFile(kind.file_name)
        dialog.fileSelected.connect(lambda chosen: self.write(Path(chosen)))
        open_dialog(dialog)

    def write(self, target: Path) -> None:
        """Start writing to a new folder or file."""
        self._target, kind = target, self.format
        self.show_button.hide()
        request = ExportRequest(
            format=kind.id,
            target=target,
            run=str(self.run.currentData() or "") if "run" in kind.options else "",
            pictures="pictures" in kind.options and self.pictures.isChecked(),
        )
        wanted = self.identifiers.isVisibleTo(self) and self.identifiers.isChecked()
        self.task = LongTask(_job(self._study, request, wanted, self.passphrase.text()), self, name="export")
        self.passphrase.clear()
        self.task.said.connect(self._show_event)
        self.task.ended.connect(self._end)
        self.start_button.setEnabled(False)
        self.progress.setMaximum(0)
        self.progress.setVisible(True)
        self.close_button.setText(tr("Cancel"))
        self.task.start()

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self.progress.setMaximum(event.total)
            self.progress.setValue(event.done)

    def _end(self, outcome: WorkResult) -> None:
        self.task = None
        self.progress.setVisible(False)
        self.close_button.setText(tr("Close"))
        self.start_button.setEnabled(True)
        if isinstance(outcome.error, Cancelled):
            self.said.setText(tr("Cancelled; nothing was written."))
        else:
            written = one_or_many(
                outcome.value if isinstance(outcome.value, int) else 0,
                tr("1 item was written to {place}.", place=self._target),
                tr("{n} items were written to {place}.", n=outcome.value, place=self._target),
            )
            self.said.setText(outcome.sentence or written)
            self.show_button.setVisible(not outcome.sentence)

    def _show_target(self) -> None:
        folder = self._target if self._target.is_dir() else self._target.parent
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def stop(self) -> None:
        """Before the study closes."""
        if self.task is not None:
            self.task.wait()

    def reject(self) -> None:
        if self.task is not None:
            self.task.cancel()
        else:
            super().reject()


def target_in(folder: Path, kind: str) -> Path:
    """The chosen folder where it is empty or new, else a new one in it that is named for the format."""
    if not folder.exists() or not any(folder.iterdir()):
        return folder
    names = chain((kind,), (f"{kind}-{number}" for number in count(2)))
    return next(folder / name for name in names if not (folder / name).exists())


def _job(study: Study, request: ExportRequest, identifiers: bool, passphrase: str) -> Job:
    def job(emit: Emit, cancelled: IsCancelled) -> object:
        identity = None
        if identifiers:
            if identity_key_kind(study.folder) == "passphrase":
                if not passphrase:
                    raise StudyError(message("Type the passphrase of the identity file."))
                identity = IdentityFile.open(study.folder, Passphrase(lambda: passphrase))
            else:
                identity = IdentityFile.open(study.folder, KeyStore(study.info.id))
        wanted = replace(request, identity=identity)
        return export(study, wanted, emit=emit, cancelled=cancelled).items

    return job
