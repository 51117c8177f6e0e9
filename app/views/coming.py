"""What a workspace is for, in the place of one that is not there yet."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.qt.icons import pixmap
from app.qt.translation import tr


class ExplainingPage(QWidget):
    def __init__(self, icon: str, title: str, text: str, command: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        sign, heading, body, hint = QLabel(), QLabel(title), QLabel(text), QLabel()
        faint = self.palette().color(QPalette.ColorRole.PlaceholderText)
        sign.setPixmap(pixmap(icon, faint, 48, self.devicePixelRatioF()))
        heading.setObjectName("title")
        hint.setObjectName("faint")
        hint.setText(tr("Not in this window yet. On the command line:") + f"  <code>{command}</code>")
        hint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        for label in (sign, heading, body, hint):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(True)
            label.setFixedWidth(600)
            # the layout aligns labels by their own size, which knows nothing of wrapped lines
            label.setMinimumHeight(max(label.heightForWidth(600), 0))
            layout.addWidget(label, 0, Qt.AlignmentFlag.AlignHCenter)
            layout.addSpacing(8)
        layout.addStretch(3)


def explaining_pages() -> dict[str, ExplainingPage]:
    """By workspace."""
    return {
        "train": ExplainingPage(
            "train",
            tr("Train"),
            tr(
                "Trains an interpretable classifier of mass margins on the annotated lesions: what it says rests "
                "on comparisons with prototypes from your own cases."
            ),
            "main.py train STUDY",
        ),
        "review": ExplainingPage(
            "review",
            tr("Review"),
            tr(
                "Shows case by case why the model says what it says: which parts of the margin it compared with "
                "which prototypes, and how much each one counted."
            ),
            "main.py explain STUDY RUN",
        ),
        "prototypes": ExplainingPage(
            "prototypes",
            tr("Prototypes"),
            tr(
                "Shows what the model learned as a gallery of prototypes. Those that do not look at the margin "
                "can be taken out, and the effect is seen at once."
            ),
            "main.py prototypes STUDY RUN",
        ),
    }
