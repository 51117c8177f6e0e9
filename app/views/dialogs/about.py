"""Dialog about the program, its purpose and the uses that are forbidden."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from PySide6.QtCore import Qt, qVersion
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.vocabulary import DISCLAIMER


def program_version() -> str:
    try:
        return version("marginalia")
    except PackageNotFoundError:
        return tr("from its source folder")


class AboutDialog(QDialog):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About Marginalia"))
        title = Label("Marginalia")
        title.setObjectName("title")
        purpose = Label(
            tr(
                "Radiologists annotate the margins of breast masses, train an interpretable classifier (IAIA-BL, "
                "Barnett and colleagues, 2021) on them, and review and prune its prototypes."
            )
        )
        warning = Label(tr(DISCLAIMER))
        warning.setObjectName("heading")
        facts = Label(tr("Version {version}, Qt {qt}", version=program_version(), qt=qVersion()))
        facts.setObjectName("faint")
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 16)
        layout.setSpacing(12)
        for label in (title, purpose, warning, facts):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            layout.addWidget(label)
        layout.addWidget(buttons)
        self.setFixedWidth(480)
