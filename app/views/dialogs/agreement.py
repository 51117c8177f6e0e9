"""Agreement between two readers as a table."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from app.qt.background import Background, WorkResult
from app.qt.formatting import decimal
from app.qt.spacing import dialog_column
from app.qt.translation import tr
from app.state.changes import Change, StudyClosing
from app.state.session import Session
from app.widgets.label import Label
from core.domain.study import Reader
from core.tasks.readers.agreement import ReaderAgreement, reader_agreement


class AgreementDialog(QDialog):
    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Agreement between readers"))
        self._session = session
        self._readers: tuple[Reader, ...] = session.readers()
        self._worker = Background(self, name="agreement")
        self._worker.done.connect(self._show)
        self._boxes = (QComboBox(), QComboBox())
        line = QHBoxLayout()
        for place, box in enumerate(self._boxes):
            box.addItems([reader.name for reader in self._readers])
            box.setCurrentIndex(min(place, len(self._readers) - 1))
            box.setAccessibleName(tr("First reader") if place == 0 else tr("Second reader"))
            box.currentIndexChanged.connect(self._compute)
            line.addWidget(box, 1)
        self.text = Label()
        self.text.setWordWrap(True)
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels([tr("Label"), tr("Lesions"), tr("Same"), tr("Cohen's kappa")])
        self.table.verticalHeader().hide()
        self.table.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignRight)
        words = QTableWidgetItem(tr("Label"))
        words.setTextAlignment(Qt.AlignmentFlag.AlignLeft)
        self.table.setHorizontalHeaderItem(0, words)
        self.table.setShowGrid(False)
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.button(QDialogButtonBox.StandardButton.Close).setText(tr("Close"))
        buttons.rejected.connect(self.reject)
        layout = dialog_column(self)
        layout.addLayout(line)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.text)
        layout.addWidget(buttons)
        self.resize(560, 360)
        self.finished.connect(self._worker.stop)
        session.changed.connect(self._on_change)
        self._compute()

    def _compute(self) -> None:
        first, second = (box.currentIndex() for box in self._boxes)
        self.table.setRowCount(0)
        if len(self._readers) < 2 or first == second:
            self.text.setText(tr("Choose two different readers; a study with one reader has nothing to compare."))
            return
        self.text.setText(tr("Comparing …"))
        study, ids = self._session.study, (self._readers[first].id, self._readers[second].id)
        self._worker.submit("agreement", lambda: reader_agreement(study, *ids))

    def _show(self, outcome: WorkResult) -> None:
        found = outcome.value
        if not isinstance(found, ReaderAgreement):
            self.text.setText(outcome.sentence)
            return
        names = {
            "margin": tr("Margin"),
            "shape": tr("Shape"),
            "density": tr("Density"),
            "category": tr("BI-RADS category"),
            "pathology": tr("Pathology"),
        }
        self.table.setRowCount(len(found.labels))
        for row, label in enumerate(found.labels):
            cells = (names[label.field], str(label.lesions), str(label.same), _number(label.kappa))
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.table.setItem(row, column, item)
        masks = found.masks
        self.text.setText(
            tr(
                "Fine annotations of {n} lesions that both drew: mean Dice {dice}, mean distance of the margins "
                "{distance} mm.",
                n=masks.lesions,
                dice=_number(masks.mean_dice),
                distance=_number(masks.mean_distance_mm),
            )
        )

    def _on_change(self, change: Change) -> None:
        if isinstance(change, StudyClosing):
            self._worker.drain()
            self.reject()


def _number(value: float | None) -> str:
    return "–" if value is None else decimal(value, 2)
