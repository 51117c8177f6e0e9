"""Sentences on the remains of a study that was not closed."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QWidget

from app.qt.formatting import local_time
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label
from core.tasks.studies.recovery import Recovery


def recovery_lines(found: Recovery) -> list[str]:
    """One line a thing that was kept, that was cleared away, or that can be gone on with."""
    lines = [tr("Nothing that was shown as saved is lost.")]
    if found.revisions:
        kept = {"n": found.revisions, "time": local_time(found.last_saved_utc)}
        lines.append(tr("{n} annotation changes of that session are saved, the last from {time}.", **kept))
    for name in found.runs:
        lines.append(tr("The training {name} was interrupted; resume it in Train.", name=name))
    left = found.unfinished_import
    if left is not None:
        lines.append(
            tr(
                "An import of {n} files was interrupted. Import the same folder again: images already in "
                "the study are recognised and left as they are.",
                n=left.files,
            )
        )
        if left.images_without_rows:
            lines.append(tr("{n} of its images had been read but not yet entered.", n=left.images_without_rows))
    if found.temporary_files:
        lines.append(tr("{n} incomplete files were deleted.", n=found.temporary_files))
    return lines


class RecoveryDialog(QDialog):
    def __init__(self, found: Recovery, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Recovered"))
        layout = dialog_column(self)
        heading = Label(tr("This study was not closed properly last time."))
        heading.setObjectName("heading")
        layout.addWidget(heading)
        for line in recovery_lines(found):
            label = Label(f"• {line}")
            label.setWordWrap(True)
            layout.addWidget(label)
        layout.addStretch()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setText(tr("Close"))
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.setMinimumWidth(520)
