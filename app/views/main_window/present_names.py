"""Who else is on the case that is shown, in the status line."""

from __future__ import annotations

from PySide6.QtCore import QObject

from app.qt.translation import tr
from app.state.changes import Change, PresenceChanged, SelectionChanged, StudyClosing
from app.state.session import Session
from app.widgets.label import Label


class PresentNames(QObject):
    def __init__(self, session: Session, label: Label, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._label = session, label
        self._names: dict[str, tuple[str, ...]] = {}
        session.changed.connect(self._follow)
        self._show()

    def _follow(self, change: Change) -> None:
        match change:
            case PresenceChanged(names=names):
                self._names = names
            case StudyClosing():
                self._names = {}
            case SelectionChanged():
                pass
            case _:
                return
        self._show()

    def _show(self) -> None:
        there = self._names.get(self._session.image_id or "", ())
        self._label.setText(tr("Also here: {names}", names=", ".join(there)) if there else "")
        self._label.setVisible(bool(there))
