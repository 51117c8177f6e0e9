"""Setting up a PACS: how it is reached, encryption, login, and whether anything may be sent there."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLineEdit,
    QWidget,
)

from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label
from app.widgets.number import NumberField
from core.domain.errors import MarginaliaError
from core.pacs.credentials import keep_secret
from core.pacs.profile import DicomwebProfile, DimseProfile, Profile, Profiles, Tls, checked, confirm, is_confirmed


class ProfileDialog(QDialog):
    saved = Signal(str, str)
    """Name of the profile; what was typed as its password or token where no key store could keep it."""

    def __init__(self, profiles: Profiles, known: Profile | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Set up a PACS"))
        self._profiles = profiles
        self._known = known
        self.form = QFormLayout()
        self._make_fields()
        self.problem = Label()
        self.problem.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Save).setText(tr("Save"))
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        buttons.accepted.connect(self.save)
        buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        layout.addLayout(self.form)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)
        self.setMinimumWidth(640)
        if known is not None:
            self._show(known)
        self._follow()

    def _make_fields(self) -> None:
        self.name, self.source = QLineEdit(), QLineEdit()
        self.source.setPlaceholderText(tr("as the name"))
        self.kind, self.login = QComboBox(), QComboBox()
        self.kind.addItem("DICOMweb", "dicomweb")
        self.kind.addItem("DIMSE (C-FIND, C-MOVE)", "dimse")
        for text, login in ((tr("None"), "none"), (tr("User and password"), "password"), (tr("Token"), "token")):
            self.login.addItem(text, login)
        self.url, self.user, self.secret = QLineEdit(), QLineEdit(), QLineEdit()
        self.url.setPlaceholderText("https://pacs.example.org/dicom-web")
        self.secret.setEchoMode(QLineEdit.EchoMode.Password)
        self.host, self.called = QLineEdit(), QLineEdit()
        self.calling = QLineEdit("MARGINALIA")
        self.port, self.listen_port = NumberField(), NumberField()
        self.listen_address = QLineEdit("127.0.0.1")
        for box, value in ((self.port, 104), (self.listen_port, 11112)):
            box.setRange(1, 65_535)
            box.setValue(value)
        self.encrypted = QCheckBox(tr("Encrypt the connection (TLS)"))
        self.verify = QCheckBox(tr("Verify the certificate of the PACS"))
        self.verify.setChecked(True)
        self.ca, self.certificate, self.key = QLineEdit(), QLineEdit(), QLineEdit()
        self.ca.setPlaceholderText(tr("those that this computer trusts"))
        self.confirmed = QCheckBox(tr("Results and de-identified images may be sent there"))
        for text, field in (
            (tr("Name"), self.name),
            (tr("Institution"), self.source),
            (tr("Reached by"), self.kind),
            (tr("URL"), self.url),
            (tr("Login"), self.login),
            (tr("User"), self.user),
            (tr("Password or token"), self.secret),
            (tr("Host"), self.host),
            (tr("Port"), self.port),
            (tr("AE title of the PACS"), self.called),
            (tr("Our AE title"), self.calling),
            (tr("We receive at the address"), self.listen_address),
            (tr("and the port"), self.listen_port),
            ("", self.encrypted),
            ("", self.verify),
            (tr("CA file"), self.ca),
            (tr("Our certificate"), self.certificate),
            (tr("and its key"), self.key),
            ("", self.confirmed),
        ):
            self.form.addRow(text, field)
            field.setAccessibleName(text)
        self.kind.currentIndexChanged.connect(self._follow)
        self.login.currentIndexChanged.connect(self._follow)
        self.encrypted.toggled.connect(self._follow)
        self.url.textChanged.connect(self._follow)

    def _follow(self) -> None:
        """Show the fields that matter."""
        web = self.kind.currentData() == "dicomweb"
        login = self.login.currentData()
        encrypted = self.url.text().lower().startswith("https:") if web else self.encrypted.isChecked()
        for field, shown in (
            (self.url, web),
            (self.login, web),
            (self.user, web and login == "password"),
            (self.secret, web and login != "none"),
            *((one, not web) for one in (self.host, self.port, self.called, self.calling)),
            *((one, not web) for one in (self.listen_address, self.listen_port, self.encrypted)),
            *((one, encrypted) for one in (self.verify, self.ca, self.certificate, self.key)),
        ):
            self.form.setRowVisible(field, shown)
        self.adjustSize()

    def _show(self, profile: Profile) -> None:
        self.name.setText(profile.name)
        self.name.setEnabled(False)
        self.source.setText(profile.source)
        self.kind.setCurrentIndex(
            self.kind.findData("dicomweb" if isinstance(profile, DicomwebProfile) else "dimse")
        )
        if isinstance(profile, DicomwebProfile):
            self.url.setText(profile.url)
            self.login.setCurrentIndex(self.login.findData(profile.login))
            self.user.setText(profile.user)
            self.secret.setPlaceholderText(tr("as it was"))
        else:
            self.host.setText(profile.host)
            self.port.setValue(profile.port)
            self.called.setText(profile.called)
            self.calling.setText(profile.calling)
            self.listen_address.setText(profile.listen_address)
            self.listen_port.setValue(profile.listen_port)
            self.encrypted.setChecked(profile.tls.on)
        self.verify.setChecked(profile.tls.verify)
        self.ca.setText(profile.tls.ca_file)
        self.certificate.setText(profile.tls.certificate)
        self.key.setText(profile.tls.key)
        self.confirmed.setChecked(is_confirmed(profile))

    def profile(self) -> Profile:
        """Return the profile in the fields.

        Raises: MarginaliaError if the fields contradict each other."""
        web = self.kind.currentData() == "dicomweb"
        tls = Tls(
            on=self.url.text().lower().startswith("https:") if web else self.encrypted.isChecked(),
            ca_file=self.ca.text().strip(),
            verify=self.verify.isChecked(),
            certificate=self.certificate.text().strip(),
            key=self.key.text().strip(),
        )
        name, source = self.name.text().strip(), self.source.text().strip()
        made: Profile
        if web:
            login: Literal["none", "password", "token"] = self.login.currentData()
            user = self.user.text().strip() if login == "password" else ""
            url = self.url.text().strip()
            made = DicomwebProfile(name=name, source=source, tls=tls, url=url, login=login, user=user)
        else:
            made = DimseProfile(
                name=name,
                source=source,
                tls=tls,
                host=self.host.text().strip(),
                port=self.port.value(),
                called=self.called.text().strip(),
                calling=self.calling.text().strip(),
                listen_address=self.listen_address.text().strip(),
                listen_port=self.listen_port.value(),
            )
        return confirm(checked(made)) if self.confirmed.isChecked() else checked(made)

    def save(self) -> None:
        try:
            made = self.profile()
            self._profiles.put(made)
        except MarginaliaError as error:
            self.problem.setText(translate_message(error))
            return
        typed = self.secret.text() if isinstance(made, DicomwebProfile) and made.login != "none" else ""
        kept = bool(typed) and keep_secret(made, typed)
        self.secret.clear()
        self.saved.emit(made.name, "" if kept else typed)
        self.accept()
