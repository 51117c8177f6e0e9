"""A name and a place for a new study."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from app.qt import settings
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label
from app.widgets.number import NumberField

_PLACE = "folders/studies"


@dataclass(frozen=True, kw_only=True)
class ServerLogin:
    """A database server for a study of several readers. The password is kept in the system's key store alone."""

    address: str
    """HOST/DATABASE, or a full address."""
    user: str
    password: str = field(repr=False)


class NewStudyDialog(QDialog):
    """``folder``, ``name`` and ``patients`` hold what was chosen after ``accepted``."""

    def __init__(
        self, title: str, name: str, note: str, parent: QWidget | None = None, *, patients: int = 0
    ) -> None:
        """``patients``: how many synthetic ones to propose; 0 for a study that begins empty."""
        super().__init__(parent)
        self.setWindowTitle(title)
        self._name = QLineEdit(name)
        self._place = QLineEdit(study_place())
        self._patients = NumberField()
        self._patients.setRange(1, 1000)
        self._patients.setValue(max(patients, 1))
        self._patients.setAccessibleName(tr("Synthetic patients"))
        self._result = Label()
        self._result.setObjectName("faint")
        self._result.setWordWrap(True)
        self._shared = QCheckBox(tr("Several readers at once: the database is on a server"))
        self._address, self._user, self._password = QLineEdit(), QLineEdit(), QLineEdit()
        self._address.setPlaceholderText("db.hospital.example/marginalia")
        self._password.setEchoMode(QLineEdit.EchoMode.Password)
        browse = QPushButton(tr("Choose…"))
        browse.clicked.connect(self._browse)
        self._name.textChanged.connect(self._show)
        self._place.textChanged.connect(self._show)
        row = QHBoxLayout()
        row.addWidget(self._place, 1)
        row.addWidget(browse)
        form = QFormLayout()
        form.addRow(tr("Name"), self._name)
        form.addRow(tr("In the folder"), row)
        if patients:
            form.addRow(tr("Synthetic patients"), self._patients)
        else:
            self._offer_server(form)
        self._form = form
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText(tr("Make study"))
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        self._buttons.accepted.connect(self._accept)
        self._buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        explained = Label(note)
        explained.setWordWrap(True)
        layout.addWidget(explained)
        layout.addLayout(form)
        layout.addWidget(self._result)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(520)
        self._show()

    def _offer_server(self, form: QFormLayout) -> None:
        form.addRow(self._shared)
        for text, line in (
            (tr("Server and database"), self._address),
            (tr("User"), self._user),
            (tr("Password"), self._password),
        ):
            line.setAccessibleName(text)
            form.addRow(text, line)
            form.setRowVisible(line, False)
        self._shared.toggled.connect(self._show_server)
        self._address.textChanged.connect(self._show)

    def _show_server(self, on: bool) -> None:
        for line in (self._address, self._user, self._password):
            self._form.setRowVisible(line, on)
        self._show()
        self.adjustSize()

    @property
    def server(self) -> ServerLogin | None:
        """The chosen server; None for a study of one computer."""
        if not self._shared.isChecked():
            return None
        return ServerLogin(
            address=self._address.text().strip(), user=self._user.text().strip(), password=self._password.text()
        )

    @property
    def name(self) -> str:
        return self._name.text().strip()

    @property
    def folder(self) -> Path:
        return Path(self._place.text().strip()).expanduser() / folder_name(self.name)

    @property
    def patients(self) -> int:
        return self._patients.value()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, tr("Folder for studies"), self._place.text())
        if chosen:
            self._place.setText(chosen)

    def _show(self) -> None:
        good = bool(self.name) and bool(self._place.text().strip())
        good = good and not (self._shared.isChecked() and not self._address.text().strip())
        taken = good and self.folder.exists() and any(self.folder.iterdir()) if good else False
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(good and not taken)
        if taken:
            self._result.setText(tr("{folder} exists already; choose another name.", folder=self.folder))
        else:
            self._result.setText(tr("The study will be in {folder}.", folder=self.folder) if good else "")

    def _accept(self) -> None:
        put_study_place(self._place.text())
        self.accept()


def study_place() -> str:
    """Return the folder that new studies go to."""
    return settings.text(_PLACE, str(Path.home() / "marginalia"))


def put_study_place(folder: str) -> None:
    if folder.strip():
        settings.put(_PLACE, folder.strip())


def folder_name(name: str) -> str:
    """The name as a folder's: letters, digits, "-" and "_"."""
    return re.sub(r"[^\w-]+", "-", name.strip()).strip("-").lower() or "study"
