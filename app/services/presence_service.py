"""Tells other workstations which case is looked at here, and the screens where the others are."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.qt.background import Background, WorkResult
from app.state.changes import Change, PresenceChanged, ReaderChanged, SelectionChanged, StudyClosing, StudyOpened
from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.store.presence import BEAT_S, Presence, Present


class PresenceService(QObject):
    """Emits ``PresenceChanged`` of the session; does nothing for a study that nobody else can have open."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._presence: Presence | None = None
        self._names: dict[str, tuple[str, ...]] = {}
        self._beats = Background(self, name="presence")
        self._beats.done.connect(self._take)
        self._timer = QTimer(self, interval=int(BEAT_S * 1000))
        self._timer.timeout.connect(self._beat)
        session.changed.connect(self._follow)

    def stop(self) -> None:
        """Before the study is closed or the window goes: others no longer see this reader."""
        self._timer.stop()
        presence, self._presence = self._presence, None
        if presence is not None:
            self._beats.drain()
            presence.close()
        self._beats.stop()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyOpened():
                self.stop()
                self._names = {}
                self._presence = self._session.study.presence()
                if self._presence is not None:
                    self._timer.start()
                    self._beat()
            case ReaderChanged() | SelectionChanged():
                self._beat()
            case StudyClosing():
                self.stop()
            case _:
                pass

    def _beat(self) -> None:
        presence, reader = self._presence, self._session.reader
        if presence is None or reader is None:
            return
        name, image_id = reader.name, self._session.image_id
        self._beats.submit(id(presence), lambda: _where(presence, name, image_id))

    def _take(self, result: WorkResult) -> None:
        if result.key != id(self._presence) or not isinstance(result.value, tuple):
            return
        there: dict[str, tuple[str, ...]] = {}
        for one in result.value:
            if isinstance(one, Present):
                there[one.image_id] = (*there.get(one.image_id, ()), one.name)
        if there != self._names:
            self._names = there
            self._session.changed.emit(PresenceChanged(names=there))


def _where(presence: Presence, name: str, image_id: str | None) -> tuple[Present, ...]:
    """Nobody while the server cannot be reached: what is written then says so."""
    try:
        return presence.beat(name, image_id)
    except MarginaliaError:
        return ()
