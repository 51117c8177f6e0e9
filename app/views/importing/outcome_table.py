"""Files of an import: what happens to each, and why. A file whose image the study holds is a link to it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from app.qt.colours import ERASER, LESION, PROMINENT
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.widgets.label import tip
from core.data.importers.outcomes import FileResult, ImportOutcome

TO_READ = (ImportOutcome.WRONG, ImportOutcome.NOTE)
_COLOURS: dict[ImportOutcome, QColor] = {
    ImportOutcome.IMPORTED: LESION,
    ImportOutcome.NOTE: PROMINENT,
    ImportOutcome.WRONG: ERASER,
}
_RANK = {fate: rank for rank, fate in enumerate((*TO_READ, ImportOutcome.LEFT_OUT, ImportOutcome.UNREACHED))}
_AIR = 8
_FIT_MS = 30
_IMAGE = 0x100
_ROW = re.compile(r"row (\d+)")


def fate_name(fate: ImportOutcome) -> str:
    return {
        ImportOutcome.IMPORTED: tr("imported"),
        ImportOutcome.NOTE: tr("imported, with a note"),
        ImportOutcome.LEFT_OUT: tr("left out"),
        ImportOutcome.WRONG: tr("could not be used"),
        ImportOutcome.UNREACHED: tr("not reached"),
    }[fate]


def coming_fate_name(fate: ImportOutcome) -> str:
    """Before the import."""
    return {
        ImportOutcome.IMPORTED: tr("will be imported"),
        ImportOutcome.NOTE: tr("will be imported, with a note"),
        ImportOutcome.LEFT_OUT: tr("will be left out"),
        ImportOutcome.WRONG: tr("cannot be used"),
        ImportOutcome.UNREACHED: tr("not reached"),
    }[fate]


def shown_name(name: str) -> str:
    """The name of a file, or "row 3" of a table, which is no file, in the user's language."""
    row = _ROW.fullmatch(name)
    return name if row is None else tr("row {n}", n=row[1])


class OutcomeTable(QTableWidget):
    image_wanted = Signal(str)
    """Id of the image of a file that was clicked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 3, parent)
        self.files: tuple[FileResult, ...] = ()
        """In the order of the rows."""
        self.setHorizontalHeaderLabels([tr("File"), tr("What happened"), tr("Why")])
        self.verticalHeader().hide()
        self.setShowGrid(False)
        self.setWordWrap(True)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        header = self.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self._fitting = QTimer(self, singleShot=True, interval=_FIT_MS)
        self._fitting.timeout.connect(self._fit_rows)
        header.sectionResized.connect(lambda *_: self._fitting.start())
        self.setColumnWidth(0, 190)
        self.setColumnWidth(1, 200)
        self.cellClicked.connect(self._click)
        self.itemActivated.connect(lambda item: self._follow(item.row()))

    def show_files(self, files: Sequence[FileResult], *, coming: bool = False) -> None:
        """Show these files in this order; ``coming``: nothing is imported yet."""
        self.files = tuple(files)
        heading = self.horizontalHeaderItem(1)
        if heading is not None:
            heading.setText(tr("What will happen") if coming else tr("What happened"))
        named = coming_fate_name if coming else fate_name
        self.setRowCount(len(self.files))
        for row, found in enumerate(self.files):
            self.setItem(row, 0, self._name(found, link=not coming))
            what = QTableWidgetItem(named(found.fate))
            if found.fate in _COLOURS:
                what.setIcon(_dot(_COLOURS[found.fate]))
            self.setItem(row, 1, what)
            why = QTableWidgetItem(" ".join(map(translate_message, found.sentences)))
            why.setToolTip(tip("\n".join(map(translate_message, found.sentences))))
            self.setItem(row, 2, why)
        self._fit_rows()

    def show_only(self, fate: ImportOutcome | None) -> None:
        """Hide the rows of every other outcome; None: show all."""
        for row, found in enumerate(self.files):
            self.setRowHidden(row, fate is not None and found.fate is not fate)

    def _name(self, found: FileResult, *, link: bool) -> QTableWidgetItem:
        item = QTableWidgetItem(shown_name(found.name))
        item.setToolTip(tip(found.name))
        if link and found.image_id:
            font = item.font()
            font.setUnderline(True)
            item.setFont(font)
            item.setForeground(self.palette().color(QPalette.ColorRole.Link))
            item.setData(_IMAGE, found.image_id)
            item.setToolTip(tip(found.name) + "\n" + tr("Click to see the image"))
        return item

    def _click(self, row: int, column: int) -> None:
        if column == 0:
            self._follow(row)

    def _follow(self, row: int) -> None:
        item = self.item(row, 0)
        image = None if item is None else item.data(_IMAGE)
        if image:
            self.image_wanted.emit(str(image))

    def _fit_rows(self) -> None:
        """High enough for every reason at the present width, which changes when the dialog grows."""
        self.resizeRowsToContents()
        for row in range(self.rowCount()):  # a reason of two lines would touch those beside it
            self.setRowHeight(row, self.rowHeight(row) + _AIR)


def problems_first(files: Sequence[FileResult]) -> tuple[FileResult, ...]:
    """Files that could not be used, then those with a note, then the others; each in the order of the import."""
    return tuple(sorted(files, key=lambda found: _RANK.get(found.fate, len(_RANK))))


def _dot(colour: QColor) -> QIcon:
    picture = QPixmap(12, 12)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(colour)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawEllipse(1, 1, 9, 9)
    painter.end()
    return QIcon(picture)
