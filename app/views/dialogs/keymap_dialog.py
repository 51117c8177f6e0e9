"""Remapping of the shortcuts, with conflicts shown as they arise, and the presets."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QKeySequenceEdit,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.actions.actions import Actions
from app.actions.keymap import (
    KeymapPreset,
    chosen_preset,
    conflicts,
    is_azerty,
    native,
    preset_keymap,
    set_azerty,
    store_keymap,
)
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.widgets.label import Label


class KeymapDialog(QDialog):
    applied = Signal(object, object)
    """The new keymap and its ``Preset``."""

    def __init__(self, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Keyboard and mouse"))
        self._specs = actions.specs
        self.keymap = dict(actions.keymap)
        self.preset = QComboBox()
        self.preset.addItem(tr("Standard: left draws, wheel zooms"), KeymapPreset.STANDARD.value)
        self.preset.addItem(tr("PACS: left drags the window, wheel turns pages"), KeymapPreset.PACS.value)
        self.preset.setCurrentIndex(self.preset.findData(chosen_preset().value))
        self.preset.activated.connect(self._take_preset)
        self.azerty = QCheckBox(tr("French keyboard (AZERTY): tools on the keys of the upper row without Shift"))
        self.azerty.setChecked(is_azerty())
        self.azerty.clicked.connect(self._take_preset)
        self._find = QLineEdit()
        self._find.setPlaceholderText(tr("Search actions"))
        self._find.textChanged.connect(self._filter)
        self._table = QTableWidget(len(self._specs), 2)
        self._table.setHorizontalHeaderLabels([tr("Action"), tr("Keys")])
        self._table.verticalHeader().hide()
        self._table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self._table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._table.setColumnWidth(1, 190)
        self._table.setShowGrid(False)
        self._table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self._table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self._table.currentCellChanged.connect(self._show_current)
        self.keys = QKeySequenceEdit()
        self.keys.setMaximumSequenceLength(1)
        self.keys.editingFinished.connect(self._take_keys)
        self._none = QPushButton(tr("No key"))
        self._none.clicked.connect(lambda: self._put(()))
        self.standard = QPushButton(tr("Standard key"))
        self.standard.setToolTip(tr("The chosen action gets the key of the preset again"))
        self.standard.clicked.connect(self._reset_one)
        self.reset = QPushButton(tr("Reset all keys"))
        self.reset.setToolTip(tr("Every action gets the key of the preset again"))
        self.reset.clicked.connect(self._take_preset)
        for button in (self._none, self.standard, self.reset):
            button.setAutoDefault(False)
        self.problem = Label()
        self.problem.setWordWrap(True)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Cancel).setText(tr("Cancel"))
        self._buttons.accepted.connect(self._apply)
        self._buttons.rejected.connect(self.reject)
        self._lay_out()
        self._refresh()
        self._table.setCurrentCell(0, 0)

    def choose(self, action: str) -> None:
        """Make this action the one that new keys go to."""
        self._table.setCurrentCell([spec.id for spec in self._specs].index(action), 0)

    def assign(self, *keys: str) -> None:
        """Give the chosen action these keys."""
        self._put(keys)

    def _lay_out(self) -> None:
        layout = dialog_column(self)
        layout.addWidget(self.preset)
        layout.addWidget(self.azerty)
        layout.addWidget(self._find)
        layout.addWidget(self._table, 1)
        line = QHBoxLayout()
        line.addWidget(Label(tr("New key")))
        line.addWidget(self.keys, 1)
        line.addWidget(self.standard)
        line.addWidget(self._none)
        layout.addLayout(line)
        layout.addWidget(self.problem)
        last = QHBoxLayout()
        last.addWidget(self.reset)
        last.addStretch()
        last.addWidget(self._buttons)
        layout.addLayout(last)
        self.resize(560, 660)

    def _refresh(self) -> None:
        found = conflicts(self.keymap, self._specs)
        bad = {action for conflict in found for action in conflict.actions}
        names = {spec.id: tr(spec.text).removesuffix("…") for spec in self._specs}
        for row, spec in enumerate(self._specs):
            self._table.setItem(row, 0, QTableWidgetItem(f"{tr(spec.menu_name)}  ›  {names[spec.id]}"))
            sign = "⚠ " if spec.id in bad else ""
            self._table.setItem(row, 1, QTableWidgetItem(sign + native(self.keymap.get(spec.id, ()))))
        sentences = []
        for conflict in found:
            users = " / ".join(names[action] for action in conflict.actions)
            key = QKeySequence(conflict.sequence).toString(QKeySequence.SequenceFormat.NativeText)
            if len(conflict.actions) == 1:
                sentences.append(
                    tr("{key} belongs to the picture itself and cannot be {action}.", key=key, action=users)
                )
            else:
                sentences.append(tr("{key} has two meanings: {actions}.", key=key, actions=users))
        self.problem.setText("\n".join(sentences[:3]))
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(not found)

    def _show_current(self, row: int, *_: int) -> None:
        if row >= 0:
            keys = self.keymap.get(self._specs[row].id, ())
            self.keys.setKeySequence(QKeySequence(keys[0] if keys else ""))

    def _take_keys(self) -> None:
        text = self.keys.keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        if text:
            self._put((text,))

    def _put(self, keys: tuple[str, ...]) -> None:
        row = self._table.currentRow()
        if row >= 0:
            self.keymap[self._specs[row].id] = keys
            self._refresh()

    def _of_preset(self) -> dict[str, tuple[str, ...]]:
        preset = KeymapPreset(self.preset.currentData())
        return preset_keymap(self._specs, preset, azerty=self.azerty.isChecked())

    def _take_preset(self) -> None:
        self.keymap = self._of_preset()
        self._refresh()
        self._show_current(self._table.currentRow())

    def _reset_one(self) -> None:
        """The chosen action gets the keys of the preset."""
        row = self._table.currentRow()
        if row >= 0:
            action = self._specs[row].id
            self._put(self._of_preset()[action])
            self._show_current(row)

    def _filter(self, text: str) -> None:
        """Leave the actions whose name or keys hold the text."""
        for row in range(self._table.rowCount()):
            cells = [self._table.item(row, column) for column in (0, 1)]
            words = " ".join(cell.text() for cell in cells if cell is not None).lower()
            self._table.setRowHidden(row, text.lower() not in words)

    def _apply(self) -> None:
        preset = KeymapPreset(self.preset.currentData())
        set_azerty(self.azerty.isChecked())
        store_keymap(self._specs, self.keymap, preset)
        self.applied.emit(self.keymap, preset)
        self.accept()
