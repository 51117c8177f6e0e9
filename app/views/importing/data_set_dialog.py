"""A public data set as it was downloaded: which one it is, and where."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QWidget,
)

from app.qt.dialogs import open_dialog
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label
from core.data.importers.layouts import Layout


def layout_name(layout: Layout | None) -> str:
    return {
        None: tr("as its files show"),
        Layout.FOLDER: tr("Images with a lesions.csv"),
        Layout.MINI_MIAS: "mini-MIAS",
        Layout.CDD_CESM: "CDD-CESM",
        Layout.CBIS_DDSM: "CBIS-DDSM",
        Layout.INBREAST: "INbreast",
        Layout.VINDR_MAMMO: "VinDr-Mammo",
        Layout.CMMD: "CMMD",
        Layout.EMBED: "EMBED",
        Layout.IMAGES: tr("Images alone, without tables"),
    }[layout]


class DataSetDialog(QDialog):
    wanted = Signal(object, object)
    """The folder and its ``Layout``, or None for the one it has."""

    def __init__(self, place: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import a data set"))
        self._place = place
        self.layout_choice = QComboBox()
        for one in (None, *Layout):
            self.layout_choice.addItem(layout_name(one), one)
        note = Label(
            tr(
                "Choose the folder into which the data set was unpacked, with its tables. You see what "
                "it holds before anything is imported."
            )
        )
        note.setWordWrap(True)
        self.choose_button, self.close_button = QPushButton(tr("Folder…")), QPushButton(tr("Cancel"))
        self.choose_button.setDefault(True)
        self.choose_button.clicked.connect(self._ask_folder)
        self.close_button.clicked.connect(self.reject)
        form = QFormLayout()
        form.addRow(tr("Data set"), self.layout_choice)
        buttons = QHBoxLayout()
        buttons.addStretch()
        buttons.addWidget(self.choose_button)
        buttons.addWidget(self.close_button)
        layout = dialog_column(self)
        layout.addLayout(form)
        layout.addWidget(note)
        layout.addStretch()
        layout.addLayout(buttons)
        self.resize(460, 170)

    def _ask_folder(self) -> None:
        dialog = QFileDialog(self, tr("Folder of the data set"), str(self._place))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._take)
        open_dialog(dialog)

    def _take(self, folder: str) -> None:
        chosen = self.layout_choice.currentData()
        self.wanted.emit(Path(folder), None if chosen is None else Layout(chosen))
        self.accept()
