"""In-memory index of the values that the worklist is filtered and ordered by, for every entry.

A hundred thousand lesions joined with their images, patients and labels take the database a tenth of a second and
more. As arrays they take a few milliseconds. The audit trail shows what changed since they were read. Each query
reads its head, which also covers what another program wrote. Only what its records can have changed is read again.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, Text, case, cast, func, select

from core.domain.vocabulary import MarginType, ViewPosition
from core.store import schema

_I, _P, _L, _S = schema.image, schema.patient, schema.lesion, schema.label
_MARGINS = sorted(margin.value for margin in MarginType)
_VIEWS = [view.value for view in ViewPosition]
NO_MARGIN = len(_MARGINS)
"""The rank of what nobody named: after all margins."""
_NO_PLACE = -1
_HARMLESS = frozenset(
    {"assignment", "consensus", "member", "model", "run", "reader", "reader_study", "split", "study"}
)
"""First words of actions that change nothing of entries or labels."""
_SAME_ENTRIES = frozenset({"lesion.outline", "lesion.finding"})
_MOST_RECORDS = 500
"""Since the last query; after more of them everything is read again."""

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """Values of each entry, ordered by image and number of the lesion; arrays of one length."""

    image: Numbers
    """Number of entry of the image."""
    lesion: Numbers
    """Number of entry of the lesion; -1 for an image without one."""
    patient: Numbers
    """Place of the patient in the order of pseudonyms."""
    view: Numbers
    """Place in ``ViewPosition``; -1 where it is unknown."""
    margin: Numbers
    """By the data set: its rank in the order of the words; NO_MARGIN where it names none."""
    flagged: Flags
    """By the data set."""
    places: Numbers
    """By number of entry of a lesion, where it stands in these arrays."""
    patients: Numbers
    """By number of entry of a patient, the place in the order of pseudonyms."""

    def places_of(self, lesions: Numbers) -> Numbers:
        return self.places[lesions]

    def flags(self, lesions: Numbers) -> Flags:
        """Which entries are these lesions."""
        found = np.zeros(len(self.image), np.bool_)
        found[self.places_of(lesions)] = True
        return found

    def of_patients(self, patients: Numbers) -> Flags:
        """Which entries are of these patients, by their numbers of entry."""
        chosen = np.zeros(len(self.patients), np.bool_)
        chosen[self.patients[patients]] = True
        return chosen[self.patient]

    def of_views(self, word: str) -> Flags:
        """Which entries show a view whose name holds the word."""
        return np.isin(self.view, [i for i, view in enumerate(_VIEWS) if word.lower() in view.lower()])


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """Labels of one reader for the entries: a flag for each entry that the reader labelled, and the values."""

    labelled: Flags
    margin: Numbers
    """NO_MARGIN where the reader names none."""
    flagged: Flags


class WorklistIndex:
    """Usable from any thread; what it gives is never changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen = (0, "")
        self._entries: Entries | None = None
        self._said: dict[str, Said] = {}
        self._drawn: dict[str, Flags] = {}

    def entries(self, connection: Connection) -> Entries:
        """Return the entries as the connection reads them now. Call it first: the other two use the same state."""
        with self._lock:
            self._forget_changed(connection)
            if self._entries is None:
                self._entries = _read_entries(connection)
            return self._entries

    def said(self, connection: Connection, entries: Entries, reader_id: str) -> Said:
        with self._lock:
            found = self._said.get(reader_id)
            if found is None or entries is not self._entries:
                found = _read_said(connection, entries, reader_id)
            if entries is self._entries:
                self._said[reader_id] = found
            return found

    def drawn(self, connection: Connection, entries: Entries, reader_id: str, lesions: Select[Any]) -> Flags:
        """Which entries are the lesions of a query for numbers of entry: those that the reader drew."""
        with self._lock:
            found = self._drawn.get(reader_id)
            if found is None or entries is not self._entries:
                found = entries.flags(numbers_of(connection, lesions))
            if entries is self._entries:
                self._drawn[reader_id] = found
            return found

    def _forget_changed(self, connection: Connection) -> None:
        audit, head = schema.audit, schema.audit_head
        counter, sha256 = self._seen
        now = connection.execute(select(head.c.counter, head.c.sha256)).one_or_none()
        seen = (0, "") if now is None else (int(now.counter), str(now.sha256))
        if seen == self._seen:
            return
        self._seen = seen
        # of a transaction that was rolled back the counters are given again: the hash tells
        known = connection.execute(select(audit.c.sha256).where(audit.c.counter == counter)).scalar_one_or_none()
        if known != sha256 or seen[0] - counter > _MOST_RECORDS:
            self._forget_all()
            return
        later = select(audit.c.action, audit.c.subject).where(audit.c.counter > counter)
        for action, subject in connection.execute(later.distinct()):
            self._forget(str(action), str(subject))

    def _forget(self, action: str, subject: str) -> None:
        kind = action.partition(".")[0]
        if kind in _HARMLESS or action in _SAME_ENTRIES:
            return
        reader = subject.partition(" reader ")[2]
        if kind == "annotation" and reader:
            self._drawn.pop(reader, None)
        elif action == "lesion.labels" and reader:
            self._said.pop(reader, None)
        else:
            self._forget_all()

    def _forget_all(self) -> None:
        self._entries = None
        self._said.clear()
        self._drawn.clear()


def numbers_of(connection: Connection, statement: Select[Any]) -> Numbers:
    """Return the whole numbers that a query finds, row after row.

    The database joins them into one text while other threads work. Fetching a hundred thousand rows requests the
    interpreter that often, and takes three times as long while the window is painted.
    """
    found = statement.subquery()
    first, *rest = list(found.c)
    together: Any = cast(first, Text)
    for column in rest:
        together = together.concat(",").concat(cast(column, Text))
    text = connection.execute(select(func.aggregate_strings(together, ","))).scalar_one()
    return np.empty(0, np.int64) if text is None else np.fromstring(str(text), np.int64, sep=",")


def _rank(column: Any) -> Any:
    return func.coalesce(case({word: i for i, word in enumerate(_MARGINS)}, value=column), NO_MARGIN)


def _read_entries(connection: Connection) -> Entries:
    views = case({word: i for i, word in enumerate(_VIEWS)}, value=_I.c.view)
    own = _S.alias("own")
    flagged = case((own.c.flagged, 1), else_=0)
    statement = (
        select(
            _I.c.seq.label("image"),
            func.coalesce(_L.c.seq, -1).label("lesion"),
            _P.c.seq.label("patient"),
            # three small numbers in one, which is read in a third of the time
            (((func.coalesce(views, -1) + 1) * 32 + _rank(own.c.margin)) * 2 + flagged).label("code"),
        )
        .select_from(_I)
        .join(_P, _P.c.id == _I.c.patient_id)
        .outerjoin(_L, _L.c.image_id == _I.c.id)
        .outerjoin(own, (own.c.lesion_id == _L.c.id) & own.c.reader_id.is_(None))
        .order_by(_I.c.seq, _L.c.number)
    )
    image, lesion, patient, code = numbers_of(connection, statement).reshape(-1, 4).T.copy()
    by_pseudonym = numbers_of(connection, select(_P.c.seq).order_by(_P.c.pseudonym))
    patients = np.zeros(int(by_pseudonym.max(initial=0)) + 1, np.int64)
    patients[by_pseudonym] = np.arange(len(by_pseudonym))
    places = np.full(int(lesion.max(initial=0)) + 1, _NO_PLACE, np.int64)
    there = lesion >= 0
    places[lesion[there]] = np.flatnonzero(there)
    return Entries(
        image=image,
        lesion=lesion,
        patient=patients[patient],
        view=code // 64 - 1,
        margin=code // 2 % 32,
        flagged=code % 2 == 1,
        places=places,
        patients=patients,
    )


def _read_said(connection: Connection, entries: Entries, reader_id: str) -> Said:
    statement = (
        select(_L.c.seq, _rank(_S.c.margin).label("margin"), case((_S.c.flagged, 1), else_=0).label("flagged"))
        .join_from(_S, _L, _S.c.lesion_id == _L.c.id)
        .where(_S.c.reader_id == reader_id)
    )
    lesion, margin, flagged = numbers_of(connection, statement).reshape(-1, 3).T
    places = entries.places_of(lesion)
    count = len(entries.image)
    said = Said(
        labelled=np.zeros(count, np.bool_),
        margin=np.full(count, NO_MARGIN, np.int64),
        flagged=np.zeros(count, np.bool_),
    )
    said.labelled[places] = True
    said.margin[places] = margin
    said.flagged[places] = flagged == 1
    return said
