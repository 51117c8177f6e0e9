"""Changes by other programs in a study that many have open, from the audit trail."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from core.store import schema
from core.store.audit import head_in
from core.store.database import Database

_MOST = 500


class OtherChange(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the audit trail, without its values."""

    action: str
    subject: str
    who: str

    @property
    def lesion_id(self) -> str | None:
        """Return the lesion that it is about; None if it is about something else."""
        word, _, rest = self.subject.partition(" ")
        return rest.partition(" ")[0] if word in ("lesion", "annotation") else None


class StudyWatch:
    """Waits for changes by others; for one thread, which may be another than the window's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bell = database.backend.bell()
        with database.read() as connection:
            self._seen = head_in(connection).counter

    @property
    def rings(self) -> bool:
        """Return False where nobody else can write, so that there is nothing to wait for."""
        return self._bell is not None

    def wait(self, timeout_s: float) -> tuple[OtherChange, ...]:
        """Return what was changed since the last call, as soon as another program changed something.

        Own changes of the same time are among it; nothing if nobody else did any. After a connection was lost
        nothing is missed. Raises: ServerLostError while the server cannot be reached.
        """
        if self._bell is None or not self._bell.wait(timeout_s):
            return ()
        audit = schema.audit.c
        later = select(audit.counter, audit.action, audit.subject, audit.who).where(audit.counter > self._seen)
        with self._database.read() as connection:
            newest = head_in(connection).counter
            rows = connection.execute(later.order_by(audit.counter.desc()).limit(_MOST)).all()
        self._seen = newest
        return tuple(OtherChange(action=row.action, subject=row.subject, who=row.who) for row in reversed(rows))

    def close(self) -> None:
        if self._bell is not None:
            self._bell.close()
