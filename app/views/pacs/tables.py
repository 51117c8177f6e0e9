"""The two lists of the PACS screen: what was found, and what waits half transferred."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from app.qt.formatting import one_or_many, view_name
from app.qt.translation import tr
from app.widgets.label import tip
from core.pacs.inbox import Transfer
from core.pacs.query import Found, FoundStudy


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


def found_sentence(found: Found) -> str:
    """How many examinations were found, and what was left out."""
    count, left_out = len(found.studies), found.left_out
    sentences = [one_or_many(count, tr("1 examination."), tr("{n} examinations.", n=count))]
    if found.more:
        sentences.append(tr("The PACS has more results; narrow the search."))
    if left_out:
        one = tr("1 answer without a valid identifier was left out.")
        many = tr("{n} answers without a valid identifier were left out.", n=left_out)
        sentences.append(one_or_many(left_out, one, many))
    return " ".join(sentences)


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
