"""A public data set as it was downloaded: which one it is, and where."""

from __future__ import annotations

from contextlib import suppress
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
from core.data.importers.layouts import COCO, FOLDER, IMAGES, layout_ids, layout_of
from core.platform.plugins import PluginError


def layout_name(layout: str) -> str:
    """Return the title of a layout in the language of the window; "": recognised from the files."""
    titles = {
        "": tr("as its files show"),
        FOLDER: tr("Images with a lesions.csv"),
        COCO: tr("Images with a COCO document"),
        IMAGES: tr("Images alone, without tables"),
    }
    return titles.get(layout) or layout_of(layout).title


def usable_layouts() -> tuple[str, ...]:
    """Return the ids of the built-in layouts, and of the plug-ins that can be loaded."""
    found = []
    for name in layout_ids():
        with suppress(PluginError):  # the command line names it, with the reason
            found.append(layout_of(name).id)
    return tuple(found)


class DataSetDialog(QDialog):
    wanted = Signal(object, object)
    """The folder and the id of its layout, or "" for the one it has."""

    def __init__(self, place: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Import a data set"))
        self._place = place
        self.layout_choice = QComboBox()
        for one in ("", *usable_layouts()):
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
        self.wanted.emit(Path(folder), chosen)
        self.accept()
