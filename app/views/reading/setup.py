"""Which reader study is read, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.qt.formatting import one_or_many
from app.qt.translation import tr
from app.widgets.label import Label
from app.widgets.number import NumberField
from core.domain.reading import ReaderStudy

_STUDY = Qt.ItemDataRole.UserRole


_WIDEST = 560
"""Width of the form in logical pixels: on a wide screen a name needs no more."""


@dataclass(frozen=True, kw_only=True)
class NewReaderStudy:
    name: str
    most: int
    """Lesions at most; 0 for all of the test part."""
    seed: int


class SetupPage(QWidget):
    begin_wanted = Signal(object)
    """The ``ReaderStudy`` to go on with."""
    results_wanted = Signal(object)
    make_wanted = Signal(object)
    """A ``NewReaderStudy``."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        title, note = Label(tr("Reader study")), Label()
        title.setObjectName("title")
        note.setObjectName("faint")
        note.setWordWrap(True)
        note.setText(
            tr(
                "Every lesion is read alone and then with the model, in an order drawn from the seed. Margin, "
                "probability of malignancy and trust are kept with the time they took and cannot be changed later."
            )
        )
        self.studies = QListWidget()
        self.studies.setMaximumHeight(240)
        self.studies.setAccessibleName(tr("Reader studies"))
        self.begin, self.results = QPushButton(tr("Read")), QPushButton(tr("Results"))
        self.name, self.most, self.seed = QLineEdit(), NumberField(), NumberField()
        self.most.setRange(0, 10_000)
        self.most.setSpecialValueText(tr("all of the test part"))
        self.seed.setRange(0, 100_000)
        self.seed.setValue(1)
        self.make = QPushButton(tr("Make and read"))
        for button in (self.begin, self.results, self.make):
            button.setAutoDefault(False)
        self.known = QWidget()
        """Made reader studies and what can be done with them; hidden where there is none."""
        known = QVBoxLayout(self.known)
        known.setContentsMargins(0, 0, 0, 0)
        known.addWidget(self.studies)
        line = QHBoxLayout()
        line.addStretch()
        line.addWidget(self.results)
        line.addWidget(self.begin)
        known.addLayout(line)
        fields = QWidget()
        fields.setMaximumWidth(_WIDEST)
        form = QFormLayout(fields)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(tr("Name"), self.name)
        form.addRow(tr("Lesions at most"), self.most)
        form.addRow(tr("Seed"), self.seed)
        form.addRow("", self.make)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(40, 28, 40, 28)
        for part in (title, note, self.known):
            layout.addWidget(part)
        heading = Label(tr("New"))
        heading.setObjectName("heading")
        layout.addWidget(heading)
        layout.addWidget(fields)
        layout.addStretch()
        self._able = True
        self.studies.itemSelectionChanged.connect(self._enable)
        self.name.textChanged.connect(self._enable)
        self.begin.clicked.connect(lambda: self.begin_wanted.emit(self.studies.currentItem().data(_STUDY)))
        self.results.clicked.connect(lambda: self.results_wanted.emit(self.studies.currentItem().data(_STUDY)))
        self.make.clicked.connect(self._make)

    def show_studies(self, studies: Sequence[ReaderStudy], *, able: bool) -> None:
        """``able``: whether readings can be kept."""
        self._able = able
        self.studies.clear()
        self.known.setVisible(bool(studies))
        for made in studies:
            name, count = made.name, len(made.lesion_ids)
            one, many = tr("{name}: 1 lesion", name=name), tr("{name}: {count} lesions", name=name, count=count)
            item = QListWidgetItem(one_or_many(count, one, many))
            item.setData(_STUDY, made)
            self.studies.addItem(item)
        if studies:
            self.studies.setCurrentRow(len(studies) - 1)
        self._enable()

    def _enable(self) -> None:
        chosen = self.studies.currentItem() is not None
        self.begin.setEnabled(chosen and self._able)
        self.results.setEnabled(chosen)
        self.make.setEnabled(self._able and bool(self.name.text().strip()))

    def _make(self) -> None:
        self.make_wanted.emit(
            NewReaderStudy(name=self.name.text().strip(), most=self.most.value(), seed=self.seed.value())
        )
