"""Page of the window if no study is open."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QPainter, QPixmap
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
from app.qt.formatting import local_time, number, one_or_many
from app.qt.settings import RecentStudy
from app.qt.translation import tr
from app.views.welcome.glances import SIDE, Glances
from app.widgets.label import Label, tip
from core.tasks.studies.glance import StudyGlance

_PATH = 0x100
_AIR = 5
"""Above and below the picture of a study, logical pixels."""


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
        self.recent.setFixedHeight(260)
        self.recent.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.recent.setIconSize(QSize(SIDE, SIDE))
        self.glances = Glances(self)
        self.glances.found.connect(self._show_glance)
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
            item = QListWidgetItem(_icon(None), f"{study.name}\n{_below(study)}")
            item.setData(_PATH, str(study.folder))
            item.setToolTip(tip(str(study.folder)))
            # as wide as the list: a long folder is shortened and not scrolled to
            item.setSizeHint(QSize(SIDE, SIDE + 2 * _AIR))
            self.recent.addItem(item)
        self.recent.setVisible(bool(studies))
        self._empty.setVisible(not studies)
        self.glances.ask([study.folder for study in studies], self.devicePixelRatioF())

    def stop(self) -> None:
        """Before the window goes."""
        self.glances.stop()

    def _show_glance(self, folder: Path, glance: StudyGlance, picture: QPixmap | None) -> None:
        studies = {study.folder: study for study in settings.recent()}
        for row in range(self.recent.count()):
            item = self.recent.item(row)
            if item.data(_PATH) == str(folder) and folder in studies:
                item.setIcon(_icon(picture))
                study = studies[folder]
                item.setText(f"{study.name}\n{_progress(glance)} · {_below(study)}")

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


def _below(study: RecentStudy) -> str:
    when = local_time(study.opened_utc) if study.opened_utc else ""
    return " · ".join(part for part in (when, str(study.folder.parent)) if part)


def _progress(glance: StudyGlance) -> str:
    if not glance.lesions:
        return one_or_many(glance.images, tr("1 image"), tr("{n} images", n=number(glance.images)))
    return tr("{done} of {all} annotated", done=number(glance.annotated), all=number(glance.lesions))


def _icon(picture: QPixmap | None) -> QIcon:
    """The picture in the middle of a black square, so that all names begin at one place."""
    ratio = 1.0 if picture is None else max(picture.width(), picture.height()) / SIDE
    square = QPixmap(round(SIDE * ratio), round(SIDE * ratio))
    # nothing but room until the picture is read
    square.fill(Qt.GlobalColor.transparent if picture is None else Qt.GlobalColor.black)
    if picture is not None:
        painter = QPainter(square)
        painter.drawPixmap(
            (square.width() - picture.width()) // 2, (square.height() - picture.height()) // 2, picture
        )
        painter.end()
    square.setDevicePixelRatio(ratio)
    return QIcon(square)


def _card(title: str) -> tuple[QFrame, QVBoxLayout]:
    card, heading = QFrame(), Label(title)
    card.setObjectName("card")
    heading.setObjectName("heading")
    layout = QVBoxLayout(card)
    layout.setContentsMargins(16, 14, 16, 14)
    layout.setSpacing(8)
    layout.addWidget(heading)
    return card, layout
