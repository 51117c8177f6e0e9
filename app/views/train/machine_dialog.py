"""Another machine to train on: its address, the program there, a test of both, and the user's confirmation."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from app.qt.background import WorkResult
from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.task import LongTask
from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import Emit, IsCancelled
from core.jobs.host_check import check_host, problems_of
from core.jobs.hosts import Hosts, RemoteHost, checked, confirm

WIDTH = 560


class MachineDialog(QDialog):
    added = Signal(str)
    """Name of the machine that was set up and confirmed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Add a machine"))
        self.setMinimumWidth(WIDTH)
        self.name, self.address, self.program = QLineEdit(), QLineEdit(), QLineEdit("marginalia")
        self.python, self.folder = QLineEdit("python3"), QLineEdit("marginalia-runs")
        self.name.setPlaceholderText("gpu")
        self.address.setPlaceholderText("me@gpu.example.org")
        self.may_send = QCheckBox()
        self.test = QPushButton(tr("Test the connection"))
        self.answer = Label()
        self.answer.setWordWrap(True)
        self.buttons = QDialogButtonBox()
        self.add = self.buttons.addButton(tr("Add machine"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(tr("Cancel"), QDialogButtonBox.ButtonRole.RejectRole)
        self._task: LongTask | None = None
        self._lay_out()
        for field in (self.name, self.address, self.program, self.python, self.folder):
            field.textChanged.connect(self._changed)
        self.may_send.toggled.connect(self._enable)
        self.test.clicked.connect(self._test)
        self.buttons.accepted.connect(self._add)
        self.buttons.rejected.connect(self.reject)
        self._changed()

    def _lay_out(self) -> None:
        note = Label(
            tr(
                "The other machine needs the same version of this program, and a key with which ssh logs "
                "you in without a question. Log in once by hand first."
            )
        )
        note.setWordWrap(True)
        note.setObjectName("faint")
        form = QFormLayout()
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Address for ssh"), self.address)
        form.addRow(tr("Folder of the program there"), self.program)
        form.addRow(tr("Python there"), self.python)
        form.addRow(tr("Folder for runs there"), self.folder)
        sent = Label(
            tr(
                "Regions of interest are sent with their masks, classes and parts, under random "
                "identifiers. No name, no pseudonym and no whole mammogram is sent. Everything is "
                "deleted there when the results are back."
            )
        )
        sent.setWordWrap(True)
        sent.setObjectName("faint")
        line = QHBoxLayout()
        line.addWidget(self.test)
        line.addStretch()
        layout = dialog_column(self)
        layout.addWidget(note)
        layout.addLayout(form)
        layout.addLayout(line)
        layout.addWidget(self.answer)
        layout.addWidget(sent)
        layout.addWidget(self.may_send)
        layout.addWidget(self.buttons)

    @property
    def host(self) -> RemoteHost:
        """Return the checked host of the fields.

        Raises: TrainingError if a field cannot be right."""
        texts = (self.name, self.address, self.program, self.python, self.folder)
        name, address, program, python, folder = (field.text().strip() for field in texts)
        return checked(RemoteHost(name=name, address=address, program=program, python=python, folder=folder))

    def _changed(self) -> None:
        """Another machine than the one that was tested and confirmed."""
        self.may_send.setChecked(False)
        self.answer.setText("")
        try:
            where = self.host.address
        except MarginaliaError:
            where = ""
        self.may_send.setText(tr("I allow this to be sent to {address}", address=where or "…"))
        self._enable()

    def _enable(self) -> None:
        try:
            complete = bool(self.host)
        except MarginaliaError:
            complete = False
        self.test.setEnabled(complete and self._task is None)
        self.may_send.setEnabled(complete)
        self.add.setEnabled(complete and self.may_send.isChecked())

    def _test(self) -> None:
        host = self.host

        def job(emit: Emit, cancelled: IsCancelled) -> object:
            return host.name, check_host(host, emit=emit, cancelled=cancelled)

        self.answer.setText(tr("Asking {name} …", name=host.name))
        self._task = LongTask(job, self, name="machine test")
        self._task.ended.connect(self._tested)
        self._task.start()
        self._enable()

    def _tested(self, outcome: WorkResult) -> None:
        if self._task is None:
            return
        self._task = None
        if isinstance(outcome.value, tuple):
            name, found = outcome.value
            said = [tr("{name} answers, and its program works.", name=name), found.words]
            self.answer.setText("\n".join([*said, *map(translate_message, problems_of(found))]))
        elif not isinstance(outcome.error, Cancelled):
            self.answer.setText(outcome.sentence)
        self._enable()

    def _add(self) -> None:
        try:
            host = self.host
            Hosts().put(confirm(msgspec.structs.replace(host, confirmed="")))
        except MarginaliaError as error:
            self.answer.setText(translate_message(error))
            return
        self.added.emit(host.name)
        self.accept()

    def done(self, result: int) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            task.wait()
        super().done(result)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.done(0)
        super().closeEvent(event)
