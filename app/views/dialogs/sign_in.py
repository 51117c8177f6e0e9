"""Sign-in of the reader: a name, and a password if that reader has one."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QInputDialog,
    QLabel,
    QLineEdit,
    QWidget,
)

from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.state.session import Session
from app.widgets.label import Label
from core.domain.errors import MarginaliaError

_PASSWORD_WIDTH = 480


class SignInDialog(QDialog):
    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Sign in"))
        self._session = session
        self.reader_name = QComboBox()
        self.reader_name.setEditable(True)
        self.reader_name.addItems([reader.name for reader in session.readers()])
        self.reader_name.setCurrentText(session.reader.name if session.reader else "")
        self.reader_name.setAccessibleName(tr("Name"))
        self.password = QLineEdit()
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.problem = Label()
        self.problem.setWordWrap(True)
        self._form = QFormLayout()
        self._form.addRow(tr("Name"), self.reader_name)
        self._form.addRow(tr("Password"), self.password)
        note = Label(tr("Each reader has their own layer of shapes and labels. A new name adds a reader."))
        note.setObjectName("faint")
        note.setWordWrap(True)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.button(QDialogButtonBox.StandardButton.Ok).setText(tr("Sign in"))
        buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        buttons.accepted.connect(self._try)
        buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        layout.addWidget(note)
        layout.addLayout(self._form)
        layout.addWidget(self.problem)
        layout.addWidget(buttons)
        self.setMinimumWidth(380)
        self.reader_name.editTextChanged.connect(self._ask_password)
        self._ask_password(self.reader_name.currentText())

    def _ask_password(self, name: str) -> None:
        self._form.setRowVisible(self.password, self._session.needs_password(name.strip()))

    def _try(self) -> None:
        try:
            self._session.sign_in(self.reader_name.currentText(), self.password.text())
        except MarginaliaError as error:
            self.problem.setText(translate_message(error))
            self.password.clear()
            self.password.setFocus()
            return
        self.accept()


def ask_new_password(session: Session, parent: QWidget) -> QInputDialog:
    """A dialog that sets the current reader's password; an empty one takes it away."""
    dialog = QInputDialog(parent)
    dialog.setWindowTitle(tr("My password"))
    dialog.setLabelText(
        tr(
            "A password keeps colleagues from signing in under your name by mistake. It does not encrypt the "
            "study. Leave it empty to sign in without one."
        )
    )
    label = dialog.findChild(QLabel)
    if label is not None:  # one long line would be wider than a small screen
        label.setWordWrap(True)
    dialog.resize(_PASSWORD_WIDTH, dialog.sizeHint().height())
    dialog.setTextEchoMode(QLineEdit.EchoMode.Password)
    dialog.textValueSelected.connect(session.set_password)
    return dialog
