"""Files and folders dropped on the window: a study is opened, images are imported, without a study one is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QWidget

from app.qt.translation import tr
from app.state.session import Session
from app.widgets.label import Label
from core.store import names

if TYPE_CHECKING:
    from app.views.main_window.file_menu import FileMenuController


_INSET = (12, 12, -12, -12)


class DropTarget(QObject):
    def __init__(self, window: QWidget, session: Session, files: FileMenuController) -> None:
        super().__init__(window)
        self._session, self._files, self._window = session, files, window
        self.sheet = Label("", window)
        self.sheet.setObjectName("dropsheet")
        self.sheet.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sheet.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.sheet.hide()
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QDragEnterEvent):
            if self.can_take(_paths(event)):
                event.acceptProposedAction()
                self._offer(_paths(event))
            return True
        if isinstance(event, QDropEvent) and event.type() == QEvent.Type.Drop:
            event.acceptProposedAction()
            self.sheet.hide()
            self.take(_paths(event))
            return True
        if event.type() == QEvent.Type.DragLeave:
            self.sheet.hide()
        return super().eventFilter(watched, event)

    def _offer(self, paths: Sequence[Path]) -> None:
        """Say over the whole window what letting go does."""
        if is_study(paths):
            self.sheet.setText(tr("Let go to open the study."))
        elif self._session.is_open:
            self.sheet.setText(tr("Let go to import into this study. You see first what will be imported."))
        else:
            self.sheet.setText(tr("Let go to import into a new study. You see first what will be imported."))
        self.sheet.setGeometry(self._window.rect().adjusted(*_INSET))
        self.sheet.raise_()
        self.sheet.show()

    def can_take(self, paths: Sequence[Path]) -> bool:
        """Return True if the paths can be used: images need a study that can be changed, or none."""
        if not paths:
            return False
        return is_study(paths) or not self._session.is_open or self._session.can_write

    def take(self, paths: Sequence[Path]) -> None:
        """Open a study; import one folder, or files, into the open study or into a new one."""
        if is_study(paths):
            self._files.open(paths[0])
        else:
            self._files.import_paths(paths)


def is_study(paths: Sequence[Path]) -> bool:
    return len(paths) == 1 and names.is_study(paths[0])


def _paths(event: QDropEvent) -> list[Path]:
    """Those of this computer."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
