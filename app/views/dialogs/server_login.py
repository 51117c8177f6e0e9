"""The login of a shared study's server, where this computer has none that the server accepts."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QFormLayout, QLineEdit, QWidget

from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.state.session import Session
from app.widgets.label import Label
from core.domain.errors import MarginaliaError, ServerLoginError, StudyError
from core.store.location import asked_login, keep_login, login_of


class ServerLoginDialog(QDialog):
    """Opens the study in the session with the login that is typed, and is accepted when it is open."""

    unkept = Signal(str)
    """The study is open, but the login could not be kept: why, in a sentence."""

    def __init__(self, session: Session, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Log in at the server"))
        self._session, self._folder = session, folder
        place, user = login_of(folder)
        self.user, self.password = QLineEdit(user), QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.keep = QCheckBox(tr("Keep the password in the key store of the system"))
        self.keep.setChecked(True)
        self.problem = Label()
        self.problem.setWordWrap(True)
        self.problem.setVisible(False)
        note = Label(tr("The database of this study is on a server: {place}.", place=place))
        note.setObjectName("faint")
        note.setWordWrap(True)
        form = QFormLayout()
        for text, line in ((tr("User"), self.user), (tr("Password"), self.password)):
            line.setAccessibleName(text)
            line.textChanged.connect(self._show)
            form.addRow(text, line)
        form.addRow("", self.keep)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText(tr("Log in"))
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        self._buttons.accepted.connect(self.try_login)
        self._buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        layout.addWidget(note)
        layout.addLayout(form)
        layout.addWidget(self.problem)
        layout.addWidget(self._buttons)
        self.setMinimumWidth(440)
        (self.password if user else self.user).setFocus()
        self._show()

    def _show(self) -> None:
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(bool(self.user.text().strip()))

    def try_login(self) -> None:
        """Open the study; a login that is refused is forgotten and asked for again."""
        user, password = self.user.text().strip(), self.password.text()
        try:
            with asked_login(self._folder, user, password):
                self._session.open_study(self._folder)
        except ServerLoginError:
            self._refuse(tr("The server does not accept this user with this password; try again."))
            return
        except MarginaliaError as error:
            self._refuse(translate_message(error))
            return
        try:
            # only a login that was accepted is kept
            keep_login(self._folder, user, password if self.keep.isChecked() else "")
        except StudyError as error:
            sentence = tr("The password is used until the program is closed, and was not kept.")
            self.unkept.emit(f"{sentence} {translate_message(error)}")
        self.accept()

    def _refuse(self, sentence: str) -> None:
        self.problem.setText(sentence)
        self.problem.setVisible(True)
        self.password.clear()
        self.password.setFocus()
