"""The question before a window closes that holds a change which could not be written."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget

from app.qt.translation import tr


def may_lose_change(parent: QWidget) -> bool:
    """Return True if the user closes without the last change."""
    box = QMessageBox(parent)
    box.setWindowTitle(tr("Not saved yet"))
    box.setText(tr("The last change could not be written, because the disk is full or read-only."))
    box.setInformativeText(tr("Make room and try again, or close without it."))
    stay = box.addButton(tr("Keep open"), QMessageBox.ButtonRole.RejectRole)
    leave = box.addButton(tr("Close without it"), QMessageBox.ButtonRole.DestructiveRole)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    box.exec()
    box.deleteLater()
    return box.clickedButton() is leave
