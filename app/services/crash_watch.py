"""Keeps every uncaught error of any thread (core.tasks.studies.crash_log) and reports it to the window."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

from PySide6.QtCore import QObject, Signal

from app.qt import error_reports
from core.tasks.studies.crash_log import CrashLog


class CrashWatch(QObject):
    noticed = Signal(object)
    """An ``Incident``; comes from the thread that met it, so that its receiver must live in the window's."""

    def __init__(self, log: CrashLog, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.log = log
        self._before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        self._deaf = error_reports.add_listener(self._take)
        sys.excepthook = self._of_slot
        threading.excepthook = self._of_thread
        sys.unraisablehook = self._of_finaliser

    def stop(self) -> None:
        """Before the window goes."""
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._before
        self._deaf()

    def _take(self, error: BaseException, where: str) -> None:
        incident = self.log.note(error, where=where)
        if incident is not None:
            self.noticed.emit(incident)

    def _of_slot(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._take(error.with_traceback(trace), "window")
        self._before[0](kind, error, trace)

    def _of_thread(self, found: Any) -> None:
        if found.exc_value is not None:
            self._take(found.exc_value, f"thread {found.thread.name if found.thread else ''}".strip())
        self._before[1](found)

    def _of_finaliser(self, found: Any) -> None:
        if found.exc_value is not None:
            self._take(found.exc_value, "finaliser")
        self._before[2](found)
