"""Search criteria for a PACS."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QGridLayout, QLineEdit, QPushButton, QWidget

from app.qt.translation import tr
from app.widgets.label import Label
from core.domain.vocabulary import Laterality, ViewPosition
from core.pacs.query import Query


class SearchForm(QWidget):
    wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.patient_id, self.name = QLineEdit(), QLineEdit()
        self.since, self.until = QLineEdit(), QLineEdit()
        for day in (self.since, self.until):
            day.setPlaceholderText(tr("YYYY-MM-DD"))
            day.setMaximumWidth(120)
        self.name.setPlaceholderText(tr("beginning of the name"))
        self.side, self.view, self.modality = QComboBox(), QComboBox(), QComboBox()
        for side in ((tr("either side"), None), (tr("left"), Laterality.LEFT), (tr("right"), Laterality.RIGHT)):
            self.side.addItem(*side)
        self.view.addItem(tr("any view"), None)
        for view in ViewPosition:
            self.view.addItem(tr("other views") if view is ViewPosition.OTHER else view.value, view)
        for modality in ("MG", "DX", "CR", "OT"):
            self.modality.addItem(modality, modality)
        self.modality.addItem(tr("any modality"), "")
        self.button = QPushButton(tr("Search"))
        self.button.clicked.connect(self.wanted)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for column, (text, field) in enumerate(
            (
                (tr("Patient identifier"), self.patient_id),
                (tr("Name"), self.name),
                (tr("From"), self.since),
                (tr("Until"), self.until),
                (tr("Side"), self.side),
                (tr("View"), self.view),
                (tr("Modality"), self.modality),
            )
        ):
            grid.addWidget(Label(text), 0, column)
            grid.addWidget(field, 1, column)
            field.setAccessibleName(text)
        grid.addWidget(self.button, 1, 7)
        self.name.setMinimumWidth(190)
        grid.setColumnStretch(1, 2)

    @property
    def query(self) -> Query:
        return Query(
            patient_id=self.patient_id.text().strip(),
            patient_name=self.name.text().strip(),
            since=self.since.text().strip(),
            until=self.until.text().strip(),
            laterality=self.side.currentData(),
            view=self.view.currentData(),
            modality=self.modality.currentData(),
        )
