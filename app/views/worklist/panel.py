"""The worklist beside the picture: search, filters, entries, progress."""

from __future__ import annotations

import msgspec
from PySide6.QtCore import QEvent, QModelIndex, QObject, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.models.thumbnails import Thumbnails
from app.models.worklist import WorklistModel
from app.qt.formatting import number, word
from app.qt.translation import tr
from app.state.changes import (
    AnnotationChanged,
    AssignmentsChanged,
    Change,
    ImageCorrected,
    ImagesImported,
    LabelsChanged,
    LesionsChanged,
    OthersChanged,
    PresenceChanged,
    ReaderChanged,
    SelectionChanged,
    StudyClosing,
    StudyOpened,
)
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.state.study_place import StudyPlace
from app.views.worklist import choices
from app.views.worklist.correction_menu import CorrectionMenu
from app.views.worklist.delegate import HEIGHT, PICTURE, WorklistDelegate
from app.views.worklist.search_field import SearchField
from app.widgets.label import Elided, Label
from core.domain.vocabulary import Part
from core.store.worklist import WorklistFilter, WorklistOrder, WorklistProgress, WorklistQuery, WorklistRow


class WorklistPanel(QWidget):
    import_wanted = Signal()
    refused = Signal(str)
    """Why a correction cannot be made, or there is no other case, as a sentence."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._session = session
        self.model = WorklistModel(session, self)
        self.thumbnails = Thumbnails(session, 2 * PICTURE, self)
        self.search = SearchField()
        self.only, self.order, self.part = QComboBox(), QComboBox(), QComboBox()
        self.list = QTableView()
        self._progress_text, self._progress = Elided(), QProgressBar()
        self._stack = QStackedWidget()
        self._place = StudyPlace()
        self._nothing = Label()
        self._way_out = QPushButton()
        self._to_first = False
        """Flag: Enter was pressed in the search, and its first hit is not shown yet."""
        self._build_filters()
        self._build_list()
        self._lay_out()
        self.model.refreshed.connect(self._refreshed)
        self.model.progressed.connect(self._show_progress)
        self.thumbnails.ready.connect(self.list.viewport().update)
        session.changed.connect(self._on_change)

    def step(self, rows: int) -> None:
        """To the next (1) or previous (-1) case: another image, not only another lesion."""
        row = self._case_at(rows)
        if row is not None:
            self._choose(row)
        elif self.model.rowCount():
            end = (
                tr("This was the last case of the list.")
                if rows > 0
                else tr("This is the first case of the list.")
            )
            self.refused.emit(end)

    def neighbours(self) -> tuple[WorklistRow, ...]:
        """The entries that a step forward and a step back lead to."""
        places = (self._case_at(1), self._case_at(-1))
        rows = [self.model.row_at(row) for row in dict.fromkeys(places) if row is not None]
        return tuple(row for row in rows if row is not None)

    def _case_at(self, rows: int) -> int | None:
        row = self.list.currentIndex().row()
        row = row + rows if row >= 0 else 0
        while 0 <= row < self.model.rowCount():
            found = self.model.row_at(row)
            if found is not None and found.image_id != self._session.image_id:
                return row
            row += rows
        return None

    def step_to_open(self) -> None:
        """To the next entry after this one that the reader has not annotated, from the top again at the end."""
        count, here = self.model.rowCount(), self.list.currentIndex().row()
        for offset in range(1, count + 1):
            row = (here + offset) % count
            found = self.model.row_at(row)
            if found is not None and not found.annotated:
                self._choose(row)
                return
        if count:
            self.refused.emit(tr("Every lesion of this list has your annotation."))

    def search_again(self) -> None:
        self._search()

    def stop(self) -> None:
        """Before the window goes."""
        self.model.stop()
        self.thumbnails.stop()

    def _build_filters(self) -> None:
        self.search.typed.connect(self._search)
        self.search.returnPressed.connect(self._first_hit)
        self.search.escaped.connect(self.list.setFocus)
        for box, offered in ((self.only, choices.filters()), (self.order, choices.orders())):
            for text, value in offered:
                box.addItem(text, value)
        self._name_order()
        for box, name in (
            (self.only, tr("Which entries")),
            (self.order, tr("Order of entries")),
            (self.part, tr("Part of the split")),
        ):
            box.setAccessibleName(name)
            box.setToolTip(name)
            box.currentIndexChanged.connect(self._search)

    def _build_list(self) -> None:
        self.list.setModel(self.model)
        self.list.setItemDelegate(WorklistDelegate(self.thumbnails, self))
        # a table with rows of one height: a list view asks the model for each of a hundred thousand entries
        rows = self.list.verticalHeader()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        rows.setDefaultSectionSize(HEIGHT)
        rows.hide()
        self.list.horizontalHeader().setStretchLastSection(True)
        self.list.horizontalHeader().hide()
        self.list.setShowGrid(False)
        self.list.setTabKeyNavigation(False)
        self.list.setCornerButtonEnabled(False)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMouseTracking(True)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setAccessibleName(tr("Worklist"))
        self.list.selectionModel().currentChanged.connect(self._chosen)
        self.list.installEventFilter(self)
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.list.customContextMenuRequested.connect(self._ask_menu)

    def _lay_out(self) -> None:
        empty = QWidget()
        box = QVBoxLayout(empty)
        self._nothing.setWordWrap(True)
        self._nothing.setObjectName("faint")
        self._way_out.clicked.connect(self._leave_empty)
        box.addSpacing(24)
        box.addWidget(self._nothing)
        box.addSpacing(6)
        box.addWidget(self._way_out)
        box.addStretch()
        self._stack.addWidget(self.list)
        self._stack.addWidget(empty)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        head = QVBoxLayout()
        head.setContentsMargins(10, 10, 10, 8)
        head.setSpacing(6)
        head.addWidget(self.search)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(self.only, 1)
        line.addWidget(self.order, 1)
        head.addLayout(line)
        head.addWidget(self.part)
        layout.addLayout(head)
        layout.addWidget(self._stack, 1)
        foot = QVBoxLayout()
        foot.setContentsMargins(10, 8, 10, 10)
        foot.setSpacing(6)
        self._progress.setTextVisible(False)
        self._progress.setAccessibleName(tr("Fine annotations"))
        self._progress_text.setObjectName("faint")
        foot.addWidget(self._progress_text)
        foot.addWidget(self._progress)
        layout.addLayout(foot)

    # what happens

    def _on_change(self, change: Change) -> None:
        match change:
            case StudyOpened():
                self._fill_parts()
                self._clear_filters()
            case ReaderChanged() | ImagesImported() if self._session.is_open:
                self._fill_parts()
                self._search()
            case LesionsChanged() | ImageCorrected() | OthersChanged() | AssignmentsChanged():
                self._search()
            case LabelsChanged(image_id=image, lesion_id=lesion):
                self.model.refresh(image, lesion)
            case AnnotationChanged(lesion_id=lesion) if self._session.image_id is not None:
                self.model.refresh(self._session.image_id, lesion)
            case PresenceChanged(names=names):
                self.model.present = names
                self.list.viewport().update()
            case SelectionChanged():
                self._show_choice()
            case StudyClosing():
                self.thumbnails.clear()
                self.model.clear()
                self.model.reasons, self.model.present = {}, {}
            case _:
                pass

    def show_whose_labels(self) -> None:
        """After the user chose whether the data set's labels are shown: order and filter follow the choice."""
        self._name_order()
        self._search()
        self.list.viewport().update()

    def _name_order(self) -> None:
        """Say whose margins the order by margin goes by."""
        place = self.order.findData(WorklistOrder.MARGIN.value)
        self.order.setItemText(place, tr("By margin") if shows_others_first() else tr("By my margin"))

    def recall(self, place: StudyPlace) -> None:
        """Filter and order as they were when this study was closed, and its case next time the list is there."""
        self._place = place
        part = (place.split_id, place.part) if place.split_id else None
        for box, value in ((self.only, place.only), (self.order, place.order), (self.part, part)):
            box.blockSignals(True)
            box.setCurrentIndex(max(box.findData(value), 0))
            box.blockSignals(False)

    def with_filters(self, place: StudyPlace) -> StudyPlace:
        """The place with filter and order as they are now."""
        split_id, part = self.part.currentData() or ("", "")
        # a ranking rests on the model that is open, and goes with it
        chosen = self.order.currentData()
        order = WorklistOrder.ENTRY.value if chosen == WorklistOrder.RANKING.value else chosen
        return msgspec.structs.replace(
            place, only=self.only.currentData(), order=order, split_id=split_id, part=part
        )

    def _clear_filters(self) -> None:
        """Clear the filters: a search in one study does not apply to another."""
        for box in (self.search, self.only, self.order, self.part):
            box.blockSignals(True)
        self.search.clear()
        for choice in (self.only, self.order, self.part):
            choice.setCurrentIndex(0)
        for box in (self.search, self.only, self.order, self.part):
            box.blockSignals(False)

    def _fill_parts(self) -> None:
        self.part.blockSignals(True)
        self.part.clear()
        self.part.addItem(tr("All parts"), None)
        for split in self._session.reads.splits():
            for part in Part:
                self.part.addItem(f"{split.name}: {word(part)}", (split.id, part.value))
        self.part.setVisible(self.part.count() > 1)
        self.part.blockSignals(False)

    def _search(self) -> None:
        self.search.end_pause()
        reader = self._session.reader
        query = WorklistQuery(
            reader_id=reader.id if reader else "",
            text=self.search.text().strip(),
            only=WorklistFilter(self.only.currentData()),
            order=WorklistOrder(self.order.currentData()),
            ranking=tuple(self.model.reasons),
            own_margins=not shows_others_first(),
        )
        if (chosen := self.part.currentData()) is not None:
            query = msgspec.structs.replace(query, split_id=chosen[0], part=Part(chosen[1]))
        self.model.search(query)

    def _refreshed(self) -> None:
        filtered = bool(self.search.text().strip() or self.only.currentIndex() or self.part.currentIndex() > 0)
        if self.model.rowCount():
            self._stack.setCurrentIndex(0)
        else:
            self._stack.setCurrentIndex(1)
            self._nothing.setText(
                tr("Nothing in this study matches.") if filtered else tr("This study has no images yet.")
            )
            self._way_out.setText(tr("Show everything") if filtered else tr("Import images…"))
        if self._session.image_id is None and self.model.rowCount():
            place, self._place = self._place, StudyPlace()
            row = -1 if place.image_id is None else self.model.find(place.image_id, place.lesion_id)
            self._choose(max(row, 0))
        else:
            self._show_choice()
            if self._to_first and self.model.rowCount() and not self._shows_current():
                self._choose(0)
        self._to_first = False

    def _shows_current(self) -> bool:
        """True if what is looked at is in the list."""
        image = self._session.image_id
        return image is not None and self.model.find(image, self._session.lesion_id) >= 0

    def _leave_empty(self) -> None:
        if self.search.text() or self.only.currentIndex() or self.part.currentIndex() > 0:
            order = self.order.currentIndex()
            self._clear_filters()
            self.order.blockSignals(True)
            self.order.setCurrentIndex(order)
            self.order.blockSignals(False)
            self._search()
        else:
            self.import_wanted.emit()

    def _show_progress(self, progress: WorklistProgress) -> None:
        self._progress_text.say(
            tr(
                "Mine: {done} of {all} fine annotations",
                done=number(progress.annotated),
                all=number(progress.lesions),
            )
        )
        self._progress.setMaximum(max(progress.lesions, 1))
        self._progress.setValue(progress.annotated)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Home and End lead to the first and last case; the table would stay in its only column."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress and self.model.rowCount():
            ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: self.model.rowCount() - 1}
            row = ends.get(Qt.Key(event.key()))
            if row is not None:
                self._choose(row)
                return True
        return super().eventFilter(watched, event)

    def _ask_menu(self, place: QPoint) -> None:
        index = self.list.indexAt(place)
        row = self.model.row_at(index.row()) if index.isValid() else None
        if row is not None:
            menu = CorrectionMenu(self._session, row.image_id, self.refused.emit, self)
            menu.popup(self.list.viewport().mapToGlobal(place))

    def _first_hit(self) -> None:
        """Open the first hit, unless what is looked at is one."""
        self._to_first = True
        self._search()
        self.list.setFocus()

    def _choose(self, row: int) -> None:
        self.list.setCurrentIndex(self.model.index(row, 0))

    def _chosen(self, index: QModelIndex) -> None:
        row = self.model.row_at(index.row()) if index.isValid() else None
        if row is not None:
            self._session.select(row.image_id, row.lesion_id)

    def _show_choice(self) -> None:
        """Mark what is looked at, where the filters leave it in."""
        image = self._session.image_id
        row = -1 if image is None else self.model.find(image, self._session.lesion_id)
        if row < 0 or row == self.list.currentIndex().row():
            return
        selection = self.list.selectionModel()
        selection.blockSignals(True)
        self._choose(row)
        selection.blockSignals(False)
        self.list.scrollTo(self.model.index(row, 0))
        self.list.viewport().update()
