"""Starts the window. ``main.py`` comes here where no command is given."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.views.main_window.window import MainWindow

NO_DISPLAY = (
    "There is no display to open the window on: neither DISPLAY nor WAYLAND_DISPLAY is set. Start the program "
    "from a desktop, or use its commands ('main.py --help' lists them).\n"
)

_AHEAD = ("core.store.study", "core.imaging.opencv", "core.imaging.display")
"""Without Qt, so that another thread may load them."""
_AFTER_MS = 100
"""From the window's being shown on: not while it is painted first."""


def main(arguments: list[str]) -> int:
    """Open the window, with the study whose folder is the first argument; the exit code."""
    if not has_display():
        sys.stderr.write(NO_DISPLAY)
        return 2
    from app.qt.system_libraries import missing_packages, missing_sentence

    missing = missing_packages()
    if missing:
        # Qt itself aborts here, and names one package whatever is missing
        sys.stderr.write(missing_sentence(missing))
        return 2

    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from app.qt import settings
    from app.qt.background import prefer_the_window
    from app.qt.theme import Theme, apply_theme
    from app.qt.translation import install

    application = QApplication.instance()
    if not isinstance(application, QApplication):
        application = QApplication([sys.argv[0]])
    prefer_the_window()
    application.setApplicationName("Marginalia")
    application.setOrganizationName("Marginalia")
    language = install(application, settings.text("language"))
    stored = settings.text("theme", Theme.DARK.value)
    apply_theme(application, Theme(stored) if stored in set(Theme) else Theme.DARK)

    from app.state.session import Session
    from app.views.main_window.window import MainWindow

    study = Path(arguments[0]) if arguments else None
    while True:
        window = MainWindow(Session(), language)
        stop_watching = _watch(window)
        window.show()
        if study is None:
            QTimer.singleShot(_AFTER_MS, window, _load_ahead)
        else:
            # after the window is up: opening may upgrade a study or wait for a slow disk
            QTimer.singleShot(0, window, partial(window.open_study, study))
        code = application.exec()
        stop_watching()
        if not window.next_language:
            return code
        # another language: the same study in a new window
        language, study = install(application, window.next_language), window.next_study
        window.deleteLater()


def _load_ahead() -> None:
    """Import the libraries that a study needs, which take half a second, while the user chooses one."""

    def load() -> None:
        for name in _AHEAD:
            import_module(name)

    # waited for at the end of the program: an interpreter that ends amid an import may die
    threading.Thread(target=load, name="loading ahead").start()


def _watch(window: MainWindow) -> Callable[[], None]:
    """Keep what goes wrong from now on, and offer what was left by a program that is gone; the end of it."""
    from PySide6.QtCore import qVersion

    from app.qt.sentences import translate_message
    from app.services.crash_watch import CrashWatch
    from app.views.main_window.crash_notices import CrashNotices
    from core.domain.errors import StorageFullError
    from core.tasks.studies.crash_log import CrashLog, crash_folder, left_reports

    try:
        log = CrashLog(crash_folder(), qt=qVersion())
    except StorageFullError as error:
        window.banner.say("crash", translate_message(error))
        return lambda: None
    watch = CrashWatch(log)
    incidents = CrashNotices(window, window.banner, log)
    watch.noticed.connect(incidents.show)
    incidents.offer(left_reports(crash_folder()))

    def stop() -> None:
        watch.stop()
        log.close()

    return stop


def has_display() -> bool:
    """Return True if a window can be shown; systems other than X and Wayland always have a display."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
