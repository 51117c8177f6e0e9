"""The worklist as a Qt model: the keys of all entries, and the rows of those that are looked at."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from app.qt.background import Background, WorkResult
from app.qt.formatting import view_name, word
from app.qt.sentences import translate_message
from app.qt.translation import tr
from app.state.preferences import shows_others_first
from app.state.session import Session
from app.widgets.label import tip
from core.domain.errors import BadFileError
from core.store.worklist import WorklistKey, WorklistKeys, WorklistProgress, WorklistQuery, WorklistRow

PAGE = 64
_PAGES_KEPT = 64
_PAGES_IN_SIGHT = 2
_PAGES_WAITING = 3
"""Most pages that wait to be read; pages scrolled past before that are not read."""
ROW_ROLE = Qt.ItemDataRole.UserRole + 1
"""The ``WorklistRow`` of an entry; None where it is gone, or not read yet (``dataChanged`` follows)."""

REASON_ROLE = Qt.ItemDataRole.UserRole + 2
"""Why the entry stands where it stands, for the user; "" in most orders."""
_ROLES = (
    ROW_ROLE,
    Qt.ItemDataRole.DisplayRole,
    Qt.ItemDataRole.AccessibleTextRole,
    Qt.ItemDataRole.ToolTipRole,
)

Index = QModelIndex | QPersistentModelIndex


class WorklistModel(QAbstractTableModel):
    refreshed = Signal()
    """The keys of the newest query are there."""
    progressed = Signal(object)
    """A ``WorklistProgress``."""
    failed = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._keys = WorklistKeys.none()
        self._pages: OrderedDict[int, list[WorklistRow | None]] = OrderedDict()
        self._query = WorklistQuery()
        self._finder = Background(self, name="worklist", most=2)
        self._finder.done.connect(self._take)
        self._reader = Background(self, name="worklist rows", most=_PAGES_WAITING)
        self._reader.done.connect(self._take_page)
        self._at_once = 0
        self.reasons: dict[str, str] = {}
        """By lesion, most useful first, why it stands there; {} in the other orders."""
        self.present: dict[str, tuple[str, ...]] = {}
        """By image, who else is on it now."""
        self.busy = False
        """Flag: a query is under way."""

    @property
    def query(self) -> WorklistQuery:
        return self._query

    def search(self, query: WorklistQuery) -> None:
        """Show the entries of this query, for the current reader; a newer one overtakes an older one."""
        if not self._session.is_open:
            return
        self._query, self.busy = query, True
        reads = self._session.reads
        self._finder.submit_all([("keys", lambda: (query, reads.keys(query))), ("progress", reads.progress)])

    def count_progress(self) -> None:
        reads = self._session.reads
        self._finder.submit("progress", reads.progress)

    def clear(self) -> None:
        """Before the study closes."""
        self._finder.drain()
        self._reader.drain()
        self.beginResetModel()
        self._keys = WorklistKeys.none()
        self._pages.clear()
        self.endResetModel()

    def stop(self) -> None:
        self._finder.stop()
        self._reader.stop()

    def row_at(self, row: int) -> WorklistRow | None:
        """From its page, which is read now where it is not there yet."""
        number, place = divmod(row, PAGE)
        page = self._pages.get(number)
        if page is None:
            page = self._session.reads.rows(self._page_keys(number))
            self._keep(number, page)
        return page[place]

    def row_to_paint(self, row: int) -> WorklistRow | None:
        """None where its page is not there yet: it is read beside the window, and ``dataChanged`` follows."""
        number, place = divmod(row, PAGE)
        page = self._pages.get(number)
        if page is None and self._at_once > 0:
            # what a new answer begins with: a list that was blank for a moment would flicker
            self._at_once -= 1
            return self.row_at(row)
        if page is None:
            keys, reads = self._page_keys(number), self._session.reads
            self._reader.submit(number, lambda: (number, keys, reads.rows(keys)))
            return None
        self._pages.move_to_end(number)
        return page[place]

    def _page_keys(self, number: int) -> list[WorklistKey]:
        return self._keys[number * PAGE : (number + 1) * PAGE]

    def _keep(self, number: int, page: list[WorklistRow | None]) -> None:
        self._pages[number] = page
        while len(self._pages) > _PAGES_KEPT:
            self._pages.popitem(last=False)

    def _take_page(self, outcome: WorkResult) -> None:
        if outcome.error is not None:
            self.failed.emit(outcome.sentence)
            return
        found: Any = outcome.value
        number, keys, rows = found
        # another query may have come while the page was read
        if self._session.is_open and keys == self._page_keys(number):
            self._keep(number, rows)
            first, last = number * PAGE, number * PAGE + len(rows) - 1
            self.dataChanged.emit(self.index(first, 0), self.index(last, 0))

    def find(self, image_id: str, lesion_id: str | None) -> int:
        """The row of an entry, -1 where the query left it out."""
        key = self._session.reads.key_of(image_id, lesion_id)
        return -1 if key is None else self._keys.find(key)

    def refresh(self, image_id: str, lesion_id: str | None) -> None:
        """Read an entry anew after a change of it; it stays where it is until the next search."""
        if self._session.study.shared:
            self._refresh_beside(image_id, lesion_id)
            self.count_progress()
            return
        row = self.find(image_id, lesion_id)
        if row >= 0:
            self._pages.pop(row // PAGE, None)
            self.row_at(row)
            self.dataChanged.emit(self.index(row, 0), self.index(row, 0))
        self.count_progress()

    def _refresh_beside(self, image_id: str, lesion_id: str | None) -> None:
        """The same without waiting for a server, which may be far: the pen moves in this thread."""
        reads, all_keys = self._session.reads, self._keys

        def read() -> tuple[int, list[WorklistKey], list[WorklistRow | None]]:
            key = reads.key_of(image_id, lesion_id)
            row = -1 if key is None else all_keys.find(key)
            number = max(row, 0) // PAGE
            keys = all_keys[number * PAGE : (number + 1) * PAGE] if row >= 0 else []
            return number, keys, reads.rows(keys)

        self._reader.submit(("entry", image_id, lesion_id), read)

    def _take(self, outcome: WorkResult) -> None:
        if outcome.error is not None:
            self.failed.emit(outcome.sentence)
            return
        if isinstance(outcome.value, WorklistProgress):
            self.progressed.emit(outcome.value)
            return
        found: Any = outcome.value
        query, keys = found
        if query != self._query or not self._session.is_open:
            return
        self.busy = False
        self.beginResetModel()
        self._keys, self._at_once = keys, _PAGES_IN_SIGHT
        self._pages.clear()
        self.endResetModel()
        self.refreshed.emit()

    # Qt

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        return 0 if parent.isValid() else len(self._keys)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else 1

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or not 0 <= index.row() < len(self._keys):
            return None
        if role == REASON_ROLE:
            row = self.row_to_paint(index.row())
            return "" if row is None else self._reason(row)
        if role not in _ROLES:
            return None
        if role == ROW_ROLE:
            return self.row_to_paint(index.row())
        row = self.row_at(index.row())
        if row is None:
            return ""
        if role == Qt.ItemDataRole.ToolTipRole:
            return tip(self.explained(row))
        reason = self._reason(row)
        return f"{spoken(row)}, {reason}" if reason else spoken(row)

    def _reason(self, row: WorklistRow) -> str:
        there = self.present.get(row.image_id)
        if there:
            return tr("open: {names}", names=", ".join(there))
        return reason_text(self.reasons.get(row.lesion_id or "", ""))

    def explained(self, row: WorklistRow) -> str:
        """Description of the entry, with the data set and the file that it came from."""
        lines = [spoken(row), tr("Data set: {name}", name=row.source)]
        try:
            name = self._session.reads.file_name(row.image_id)
        except BadFileError as error:
            name = translate_message(error)
        return "\n".join([*lines, tr("File: {name}", name=name)] if name else lines)


def title(row: WorklistRow) -> str:
    view = view_name(row.laterality, row.view)
    return f"{row.pseudonym}  {view}" if view else row.pseudonym


def reason_text(reason: str) -> str:
    """A ``core.tasks.review.useful_order.UsefulReason`` in the user's language; "" for none."""
    return {
        "model unsure": tr("model unsure"),
        "model disagrees with the label": tr("contradicts the label"),
        "unlike every prototype": tr("unlike prototypes"),
        "unlike the annotated lesions": tr("unlike the annotated"),
        "no precedent": tr("no precedent"),
        "drawn at random": tr("random"),
        "annotated already": tr("annotated"),
        "not seen by the model": tr("unseen by the model"),
    }.get(reason, "")


def subtitle(row: WorklistRow, reason: str = "") -> str:
    if row.lesion_id is None:
        return tr("no lesion yet")
    # what the data set says stays hidden until the reader has said it
    hidden = row.margin is None or not (row.labelled_by_me or shows_others_first())
    margin = tr("not labelled") if hidden or row.margin is None else word(row.margin)
    # the margin first: it is what is left where the list is narrow
    return margin + " · " + (reason or tr("lesion {number}", number=row.lesion_number))


def spoken(row: WorklistRow) -> str:
    """For screen readers and plain lists."""
    parts = [title(row), subtitle(row)]
    if row.lesion_id is not None:
        parts.append(tr("annotated") if row.annotated else tr("not annotated"))
    if row.flagged:
        parts.append(tr("flagged"))
    return ", ".join(parts)
