"""Page of the window if no study is open."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.actions.actions import Actions
from app.qt import settings
from app.qt.formatting import local_time
from app.qt.settings import RecentStudy
from app.qt.translation import tr
from app.widgets.label import Label, tip

_PATH = 0x100


class WelcomePage(QWidget):
    study_wanted = Signal(object)
    """The folder of a recent study."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title, line = Label("Marginalia"), Label()
        title.setObjectName("title")
        line.setObjectName("faint")
        line.setWordWrap(True)
        line.setText(
            tr(
                "Draw the margins of breast masses, train an interpretable classifier on them, and review what "
                "it learned."
            )
        )
        self.recent = QListWidget()
        self.recent.setAccessibleName(tr("Recent studies"))
        self.recent.setFixedHeight(220)
        self.recent.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.recent.itemActivated.connect(self._open)
        self.recent.itemClicked.connect(self._open)
        self._empty = Label(tr("Studies that you open will be listed here."))
        self._empty.setObjectName("faint")
        column = QVBoxLayout()
        column.setSpacing(10)
        for widget in (title, line):
            column.addWidget(widget)
        column.addSpacing(10)
        cards = QHBoxLayout()
        cards.setSpacing(16)
        column.addLayout(cards)
        cards.addWidget(self._begin(actions))
        cards.addWidget(self._recent(), 1)
        middle = QWidget()
        middle.setLayout(column)
        middle.setFixedWidth(760)
        outer = QVBoxLayout(self)
        outer.addStretch(2)
        # without an alignment, for the sake of which lines that are broken would lose their height
        across = QHBoxLayout()
        across.addStretch()
        across.addWidget(middle)
        across.addStretch()
        outer.addLayout(across)
        outer.addStretch(3)
        self.refresh()

    def refresh(self) -> None:
        self.recent.clear()
        studies = settings.recent()
        for study in studies:
            below = " · ".join(part for part in (_when(study), str(study.folder.parent)) if part)
            item = QListWidgetItem(f"{study.name}\n{below}")
            item.setData(_PATH, str(study.folder))
            item.setToolTip(tip(str(study.folder)))
            self.recent.addItem(item)
        self.recent.setVisible(bool(studies))
        self._empty.setVisible(not studies)

    def _begin(self, actions: Actions) -> QWidget:
        card, layout = _card(tr("Begin"))
        for name in ("study.new", "study.open", "study.pacs", "study.demo"):
            action = actions[name]
            button = QPushButton(action.icon(), action.text())
            button.setToolTip(action.toolTip())
            button.setMinimumWidth(220)
            button.setStyleSheet("text-align: left")
            button.clicked.connect(action.trigger)
            layout.addWidget(button)
        drop = Label(tr("Or drop a folder of mammograms, or a study, on this window."))
        drop.setWordWrap(True)
        layout.addWidget(drop)
        note = Label(tr("The demo makes synthetic mammograms, so that everything can be tried without a patient."))
        note.setObjectName("faint")
        note.setWordWrap(True)
        layout.addWidget(note)
        layout.addStretch()
        return card

    def _recent(self) -> QWidget:
        card, layout = _card(tr("Recent studies"))
        layout.addWidget(self.recent, 1)
        layout.addWidget(self._empty)
        layout.addStretch()
        return card

    def _open(self, item: QListWidgetItem) -> None:
        self.study_wanted.emit(Path(str(item.data(_PATH))))


def _when(study: RecentStudy) -> str:
    return local_time(study.opened_utc) if study.opened_utc else ""


def _card(title: str) -> tuple[QFrame, QVBoxLayout]:
    card, heading = QFrame(), Label(title)
    card.setObjectName("card")
    heading.setObjectName("heading")
    layout = QVBoxLayout(card)
    layout.setContentsMargins(16, 14, 16, 14)
    layout.setSpacing(8)
    layout.addWidget(heading)
    return card, layout
