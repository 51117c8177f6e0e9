"""The user's manual in a window of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QImage, QTextDocument
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QWidget

from app.qt.geometry import resize_on_screen
from app.qt.spacing import dialog_column
from app.qt.translation import tr

MANUAL = Path(__file__).resolve().parents[3] / "resources" / "handbook" / "manual.md"


_PICTURE_WIDTH = 720


class _Pages(QTextBrowser):
    """Pages of the handbook, with pictures as wide as the text."""

    def loadResource(self, kind: int, url: QUrl | str) -> Any:
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return super().loadResource(kind, url)
        picture = QImage(str((MANUAL.parent / QUrl(url).path()).resolve()))
        if picture.isNull():
            return super().loadResource(kind, url)
        wanted = min(picture.width(), _PICTURE_WIDTH)
        return picture.scaledToWidth(wanted, Qt.TransformationMode.SmoothTransformation)


class ManualDialog(QDialog):
    """Shows ``resources/handbook/manual.md`` with its pictures; links lead to other pages of the handbook."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Manual"))
        self.text = _Pages()
        self.text.setSearchPaths([str(MANUAL.parent)])
        # pages of the handbook only: nothing is opened outside of the program
        self.text.setOpenExternalLinks(False)
        self.text.setSource(QUrl.fromLocalFile(str(MANUAL)))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        resize_on_screen(self, 900, 760)
