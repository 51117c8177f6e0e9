"""A long piece of work in its own thread, with progress, that can be cancelled and ends exactly once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from app.qt import error_reports
from app.qt.background import WorkResult
from core.domain.errors import Cancelled
from core.domain.events import Emit, Event, IsCancelled
from core.platform.system import give_back_freed_memory

Job = Callable[[Emit, IsCancelled], object]


class LongTask(QObject):
    said = Signal(object)
    """An ``Event``, in the order in which they came."""
    ended = Signal(object)
    """An ``Outcome``; its error is ``Cancelled`` where the user stopped it."""

    def __init__(self, job: Job, parent: QObject | None = None, *, name: str) -> None:
        super().__init__(parent)
        self._job = job
        self._stop = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop; ``ended`` follows soon."""
        self._stop.set()

    def wait(self) -> None:
        """Cancel it and wait for its end, before what it uses goes."""
        self.cancel()
        self.join()

    def join(self) -> None:
        """Wait for its end."""
        if self._thread.is_alive():
            self._thread.join()

    @property
    def running(self) -> bool:
        """False once the job is done, though its thread may need a moment more."""
        return self._thread.is_alive() and not self._over

    def _emit(self, event: Event) -> None:
        self.said.emit(event)

    def _run(self) -> None:
        try:
            outcome = WorkResult(key="task", value=self._job(self._emit, self._stop.is_set))
        except Cancelled as error:
            outcome = WorkResult(key="task", error=error)
        except BaseException as error:  # noqa: BLE001 (whatever happens, the user is told and the window lives)
            outcome = WorkResult(key="task", error=error)
            error_reports.report(error, f"thread {self._thread.name}")
        give_back_freed_memory()
        self._over = True
        self.ended.emit(outcome)
