"""The two lists of the PACS screen: what was found, and what waits half transferred."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from app.qt.formatting import view_name
from app.qt.translation import tr
from app.widgets.label import tip
from core.pacs.inbox import Transfer
from core.pacs.query import FoundStudy


class Rows(QTableWidget):
    """Read-only rows of text; whole rows are chosen."""

    def __init__(self, titles: Sequence[str], widths: Sequence[int], parent: QWidget | None = None) -> None:
        super().__init__(0, len(titles), parent)
        self.setHorizontalHeaderLabels(list(titles))
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(len(titles) - 1, QHeaderView.ResizeMode.Stretch)
        for column, width in enumerate(widths):
            self.setColumnWidth(column, width)

    def fill(self, rows: Sequence[Sequence[str]]) -> None:
        self.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(tip(text))
                self.setItem(row, column, item)
        self.clearSelection()

    @property
    def chosen(self) -> list[int]:
        return sorted(index.row() for index in self.selectionModel().selectedRows())


def found_table() -> Rows:
    titles = (tr("Date"), tr("Patient"), tr("Name"), tr("Modality"), tr("Images"), tr("Description"))
    table = Rows(titles, (95, 130, 190, 80, 150))
    table.setAccessibleName(tr("Examinations"))
    return table


def found_row(study: FoundStudy) -> tuple[str, ...]:
    """Return the row of a study: the matching images if side or view were requested, else the object count."""
    if study.matching:
        images = ", ".join(view_name(one.laterality, one.view) for one in study.matching)
    else:
        images = "?" if study.objects is None else str(study.objects)
    return (study.date, study.patient_id, study.patient_name, study.modalities, images, study.description)


def waiting_table() -> Rows:
    table = Rows((tr("Begun"), tr("PACS"), tr("Objects"), tr("Why it stopped")), (140, 120, 90))
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setAccessibleName(tr("Half transferred"))
    table.setMaximumHeight(110)
    return table


def waiting_row(transfer: Transfer) -> tuple[str, ...]:
    expected = len(transfer.journal.expected)
    objects = tr("{done} of {all}", done=len(transfer.files), all=expected or "?")
    begun = transfer.journal.begun[:16].replace("T", " ")
    return (begun, transfer.journal.profile, objects, transfer.journal.stopped)
