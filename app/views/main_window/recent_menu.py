"""The menu "Open recent": studies by name, with their folder and when they were opened last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from app.qt import settings
from app.qt.formatting import local_time
from app.qt.settings import RecentStudy
from app.qt.translation import tr
from app.widgets.label import tip


def recent_menu(parent: QMenu, before: QAction | None, opened: Callable[[Path], object]) -> QMenu:
    """A submenu that lists the studies as they are when it is shown."""
    menu = QMenu(tr("Open recent"), parent)
    menu.setToolTipsVisible(True)

    def fill() -> None:
        menu.clear()
        for study in settings.recent():
            action = menu.addAction(one_line(study).replace("&", "&&"))
            action.setToolTip(tip(str(study.folder)))
            action.triggered.connect(lambda _checked=False, folder=study.folder: opened(folder))
        if menu.isEmpty():
            menu.addAction(tr("None yet")).setEnabled(False)

    menu.aboutToShow.connect(fill)
    if before is None:
        parent.addMenu(menu)
    else:
        parent.insertMenu(before, menu)
    return menu


def one_line(study: RecentStudy) -> str:
    return f"{study.name}   {when(study)}".rstrip()


def when(study: RecentStudy) -> str:
    """When it was opened last, in the user's form; empty where nobody noted it."""
    return local_time(study.opened_utc) if study.opened_utc else ""
