"""Reports of the program's own defects: all of them are shown, and stay here unless the user saves them."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QDialog, QFileDialog, QHBoxLayout, QPlainTextEdit, QPushButton, QWidget

from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.errors import MarginaliaError
from core.platform.atomic import atomic_write


class CrashReportDialog(QDialog):
    deleted = Signal()

    def __init__(self, text: str, parent: QWidget | None = None, *, can_delete: bool = True) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("What went wrong"))
        note = Label(
            tr(
                "This is the whole report. It names places in the program and versions; no patient, no file of "
                "yours and no value is in it. It is on this computer only: nothing is sent. Save a copy if you "
                "want to show it to somebody."
            )
        )
        note.setWordWrap(True)
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.text.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.text.setAccessibleName(tr("Report"))
        self.problem = Label()
        self.problem.setWordWrap(True)
        self.problem.setVisible(False)
        self.save, self.delete = QPushButton(tr("Save a copy…")), QPushButton(tr("Delete it"))
        self.keep = QPushButton(tr("Close"))
        self.delete.setVisible(can_delete)
        self.keep.setDefault(True)
        line = QHBoxLayout()
        line.addWidget(self.save)
        line.addWidget(self.delete)
        line.addStretch()
        line.addWidget(self.keep)
        layout = dialog_column(self)
        for widget in (note, self.text, self.problem):
            layout.addWidget(widget)
        layout.addLayout(line)
        self.save.clicked.connect(self._ask_where)
        self.delete.clicked.connect(self._delete)
        self.keep.clicked.connect(self.accept)
        self.resize(760, 460)

    def _ask_where(self) -> None:
        dialog = QFileDialog(self, tr("Save a copy"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("txt")
        dialog.selectFile("marginalia-report.txt")
        dialog.fileSelected.connect(lambda chosen: self.save_to(Path(chosen)))
        open_dialog(dialog)

    def save_to(self, path: Path) -> None:
        """Save the shown text, and nothing else."""
        sentence = ""
        try:
            atomic_write(path, self.text.toPlainText().encode())
        except MarginaliaError as error:
            sentence = translate_message(error)
        self.problem.setText(sentence)
        self.problem.setVisible(bool(sentence))

    def _delete(self) -> None:
        self.deleted.emit()
        self.accept()
