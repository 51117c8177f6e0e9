"""Choice between stopping and detaching a training when its study is closed."""

from __future__ import annotations

from PySide6.QtWidgets import QMessageBox, QWidget

from app.qt.translation import tr
from app.services.training_service import TrainingService


def may_leave_training(training: TrainingService, parent: QWidget) -> bool:
    """Return True if the study may be closed now; if a training runs, the user chooses to stop it or to
    continue it."""
    if not training.running:
        return True
    box = QMessageBox(parent)
    box.setWindowTitle(tr("A training is running"))
    box.setText(tr("It can continue without the window; it is found again when the study is opened."))
    box.setInformativeText(tr("Stopped, it keeps its last checkpoint and can be resumed."))
    box.addButton(tr("Cancel"), QMessageBox.ButtonRole.RejectRole)
    stop = box.addButton(tr("Stop it"), QMessageBox.ButtonRole.DestructiveRole)
    go_on = box.addButton(tr("Let it continue"), QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(go_on)
    box.exec()
    chosen = box.clickedButton()
    box.deleteLater()
    if chosen is stop:
        training.stop_all()
    return chosen in (stop, go_on)
