"""Settings of this computer, in one place; every choice counts at once."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.actions.actions import Actions
from app.qt import settings
from app.qt.spacing import dialog_column
from app.qt.theme import Theme
from app.qt.translation import languages, tr
from app.state.preferences import open_at_lesion, opens_at_lesion, show_others_first, shows_others_first
from app.views.dialogs.new_study import put_study_place, study_place
from app.widgets.label import Label


class SettingsDialog(QDialog):
    theme_chosen = Signal(str)
    language_chosen = Signal(str)

    def __init__(self, actions: Actions, language: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Settings"))
        self._actions = actions
        self.theme, self.language, self.place = QComboBox(), QComboBox(), QLineEdit(study_place())
        self.at_lesion = QCheckBox(tr("Open cases at the lesion instead of the whole breast"))
        self.others_first = QCheckBox(tr("Show the labels of the data set before I have given mine"))
        self._fill(language)
        close = QPushButton(tr("Close"))
        close.setDefault(True)
        close.clicked.connect(self.accept)
        last = QHBoxLayout()
        last.addStretch()
        last.addWidget(close)
        layout = dialog_column(self)
        for title, part in (
            (tr("Appearance"), self._appearance()),
            (tr("Annotate"), self._annotate()),
            (tr("Keyboard, mouse and screen"), self._hardware()),
            (tr("Folders"), self._folders()),
        ):
            heading = Label(title)
            heading.setObjectName("heading")
            layout.addWidget(heading)
            layout.addLayout(part)
            layout.addSpacing(4)
        layout.addLayout(last)
        self.setMinimumWidth(520)

    def _fill(self, language: str) -> None:
        names = {Theme.DARK: tr("Dark"), Theme.LIGHT: tr("Light"), Theme.SYSTEM: tr("As the system")}
        for theme in Theme:
            self.theme.addItem(names[theme], theme.value)
        self.theme.setCurrentIndex(self.theme.findData(settings.text("theme", Theme.DARK.value)))
        for key, name in languages().items():
            self.language.addItem(name, key)
        self.language.setCurrentIndex(self.language.findData(language))
        self.at_lesion.setChecked(opens_at_lesion())
        self.others_first.setChecked(shows_others_first())
        for widget, name in (
            (self.theme, tr("Theme")),
            (self.language, tr("Language")),
            (self.place, tr("New studies go to")),
        ):
            widget.setAccessibleName(name)
        self.theme.activated.connect(lambda _: self.theme_chosen.emit(self.theme.currentData()))
        self.language.activated.connect(self._choose_language)
        self.at_lesion.toggled.connect(lambda on: self._choose("view.open_at_lesion", on=on))
        self.others_first.toggled.connect(lambda on: self._choose("view.others_first", on=on))
        self.place.editingFinished.connect(lambda: put_study_place(self.place.text()))

    def _appearance(self) -> QFormLayout:
        form = QFormLayout()
        form.addRow(tr("Theme"), self.theme)
        form.addRow(tr("Language"), self.language)
        note = Label(tr("Another language opens the window again, on the same study."))
        note.setObjectName("faint")
        form.addRow("", note)
        return form

    def _annotate(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.addWidget(self.at_lesion)
        column.addWidget(self.others_first)
        note = Label(tr("What others say leads a reader; it is best seen afterwards."))
        note.setObjectName("faint")
        column.addWidget(note)
        return column

    def _hardware(self) -> QHBoxLayout:
        line = QHBoxLayout()
        for name in ("edit.shortcuts", "view.calibrate"):
            button = QPushButton(self._actions[name].text())
            button.setAutoDefault(False)
            button.clicked.connect(self.accept)
            button.clicked.connect(self._actions[name].trigger)
            line.addWidget(button)
        line.addStretch()
        return line

    def _folders(self) -> QFormLayout:
        browse = QPushButton(tr("Choose…"))
        browse.setAutoDefault(False)
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.addWidget(self.place, 1)
        row.addWidget(browse)
        form = QFormLayout()
        form.addRow(tr("New studies go to"), row)
        return form

    def _browse(self) -> None:
        dialog = QFileDialog(self, tr("Folder for studies"), self.place.text())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._take_place)
        dialog.open()

    def _take_place(self, folder: str) -> None:
        self.place.setText(str(Path(folder)))
        put_study_place(folder)

    def _choose(self, action: str, *, on: bool) -> None:
        """Keep the choice; the menu's action has the screen show it, also while another screen is shown."""
        put = show_others_first if action == "view.others_first" else open_at_lesion
        put(on)
        self._actions.put(action, on=on)

    def _choose_language(self) -> None:
        self.accept()
        self.language_chosen.emit(self.language.currentData())
