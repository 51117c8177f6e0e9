"""Work beside the window's thread: one thread a kind of work, results delivered in the window's thread.

The receiver of the signal is a QObject that lives in the window's thread, so that Qt queues the delivery.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from app.qt import error_reports
from app.qt.sentences import translate_message
from core.domain.errors import MarginaliaError

Work = Callable[[], object]


def prefer_the_window() -> None:
    """Set the threads' switch interval to one millisecond instead of five. A frame has sixteen milliseconds, and
    waits once for every call that itself released the interpreter."""
    sys.setswitchinterval(0.001)


@dataclass(frozen=True, kw_only=True)
class WorkResult:
    """Result of one piece of work: its value, or its error."""

    key: Hashable
    value: object = None
    error: BaseException | None = None

    @property
    def sentence(self) -> str:
        """For the user; a defect of the program names itself."""
        if isinstance(self.error, MarginaliaError):
            return translate_message(self.error)
        return "" if self.error is None else f"{type(self.error).__name__}: {self.error}"


class Background(QObject):
    """One thread that takes the newest request first and forgets the oldest beyond ``most``."""

    done = Signal(object)
    """An ``Outcome``."""

    def __init__(self, parent: QObject | None = None, *, name: str, most: int = 1) -> None:
        super().__init__(parent)
        self._name = name
        self._most = most
        self._wanted: OrderedDict[Hashable, Work] = OrderedDict()
        self._changed = threading.Condition()
        self._busy = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def submit(self, key: Hashable, work: Work) -> None:
        """``work`` runs soon, unless newer requests push it out; a second request of a key replaces the first."""
        self.submit_all([(key, work)])

    def submit_all(self, works: Sequence[tuple[Hashable, Work]]) -> None:
        """Several at once; the first of them runs first."""
        with self._changed:
            for key, work in reversed(works):
                self._wanted.pop(key, None)
                self._wanted[key] = work
            while len(self._wanted) > self._most:
                self._wanted.popitem(last=False)
            self._stopping = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def forget(self) -> tuple[Hashable, ...]:
        """Remove the waiting work and return its keys; running work continues."""
        with self._changed:
            forgotten = tuple(self._wanted)
            self._wanted.clear()
        return forgotten

    @property
    def has_waiting(self) -> bool:
        """True if work waits behind the running work; long work that can be restarted gives way to it."""
        return bool(self._wanted)

    @property
    def is_idle(self) -> bool:
        return not self._busy and not self._wanted

    def drain(self) -> None:
        """Forget what waits, and wait for what runs: afterwards nothing uses the study."""
        with self._changed:
            self._wanted.clear()
            while self._busy:
                self._changed.wait()

    def stop(self) -> None:
        """End the thread; a later ``submit`` starts a new one."""
        with self._changed:
            self._wanted.clear()
            self._stopping = True
            self._wanted.clear()
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._wanted and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    return
                key, work = self._wanted.popitem()
                self._busy = True
            try:
                outcome = WorkResult(key=key, value=work())
            except BaseException as error:  # noqa: BLE001 (extension modules raise what they like; this thread stays)
                outcome = WorkResult(key=key, error=error)
                error_reports.report(error, f"thread {self._name}")
            with self._changed:
                self._busy = False
                self._changed.notify_all()
            self.done.emit(outcome)
