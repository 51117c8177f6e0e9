"""Changes that readers at other workstations make in the open study, brought to the screens as they come."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.qt.background import Background, WorkResult
from app.state.changes import Change, OthersChanged, StudyClosing, StudyOpened
from app.state.session import Session
from core.domain.errors import MarginaliaError
from core.store.watch import OtherChange, StudyWatch

_LOOK_S = 0.5
"""How long a look waits for a change: a study that is closed waits for the end of one."""
_PAUSE_MS = 200
"""Between two looks; what comes in quick succession refreshes the screens once."""
_LOST_MS = 5000


class FollowedStudy(QObject):
    """Emits ``OthersChanged`` of the session; does nothing for a study that only this program can change."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._watch: StudyWatch | None = None
        self._looks = Background(self, name="changes by others")
        self._looks.done.connect(self._take)
        self._later = QTimer(self, singleShot=True)
        self._later.timeout.connect(self._look)
        session.changed.connect(self._follow)

    def stop(self) -> None:
        """Before the study is closed or the window goes."""
        self._later.stop()
        watch, self._watch = self._watch, None
        if watch is not None:
            self._looks.drain()
            watch.close()
        self._looks.stop()

    def _follow(self, change: Change) -> None:
        match change:
            case StudyOpened():
                self.stop()
                if self._session.study.shared:
                    self._watch = self._session.study.watch()
                    self._look()
            case StudyClosing():
                self.stop()
            case _:
                pass

    def _look(self) -> None:
        watch = self._watch
        if watch is not None:
            self._looks.submit(watch, lambda: _changes(watch))

    def _take(self, result: WorkResult) -> None:
        if self._watch is None or result.key is not self._watch:
            return
        changes: tuple[OtherChange, ...] | None = result.value if isinstance(result.value, tuple) else None
        self._later.start(_PAUSE_MS if changes is not None else _LOST_MS)
        if changes:
            lesions = {change.lesion_id for change in changes} - {None}
            self._session.changed.emit(
                OthersChanged(
                    lesion_ids=frozenset(one for one in lesions if one is not None),
                    names=tuple(sorted({change.who for change in changes})),
                )
            )


def _changes(watch: StudyWatch) -> tuple[OtherChange, ...] | None:
    """None while the server cannot be reached: what is written then says so."""
    try:
        return watch.wait(_LOOK_S)
    except MarginaliaError:
        return None
