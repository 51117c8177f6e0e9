"""Somebody else changed the same thing first: the reader chooses which of both values stays."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtWidgets import QMessageBox, QWidget

from app.qt.dialogs import open_dialog
from app.qt.sentences import translate_message
from app.qt.translation import tr
from core.domain.errors import ConflictError


def ask_which_stays(conflict: ConflictError, parent: QWidget, use_mine: Callable[[], None]) -> QMessageBox:
    """Ask, with the other's value in the picture behind; ``use_mine`` replaces it. Returns the open dialog."""
    box = QMessageBox(
        QMessageBox.Icon.NoIcon, tr("Changed by somebody else"), translate_message(conflict), parent=parent
    )
    box.setInformativeText(tr("The picture shows what the study holds now."))
    mine = box.addButton(tr("Use mine"), QMessageBox.ButtonRole.AcceptRole)
    theirs = box.addButton(tr("Keep theirs"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(theirs)
    box.setEscapeButton(theirs)
    mine.clicked.connect(use_mine)
    open_dialog(box)
    return box
