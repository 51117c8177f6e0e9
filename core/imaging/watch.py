"""Ends a process that does not answer in time."""

from __future__ import annotations

import subprocess
import threading
import time
from types import TracebackType


class Watch:
    """One thread for as long as the process is used; a context manager around each question to it.

    With a timer a question, the questioner waits twice for another thread while the process has nothing to do.
    """

    def __init__(self, child: subprocess.Popen[bytes], wall_s: float) -> None:
        self._child, self._wall_s = child, wall_s
        self._changed = threading.Condition()
        self._due: float | None = None
        self._sleeps = self._over = False
        self.late = False
        """True if it was ended."""
        self._thread = threading.Thread(target=self._run, name="watch of a decoder", daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        with self._changed:
            self._due = time.monotonic() + self._wall_s
            # else it looks again at a time before this one
            if self._sleeps:
                self._changed.notify()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._due = None

    def end(self) -> None:
        """Watch no longer; its thread is over when this returns."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._over:
                left = None if self._due is None else self._due - time.monotonic()
                if left is None or left > 0:
                    self._sleeps = left is None
                    self._changed.wait(left)
                    continue
                self.late, self._due = True, None
                self._child.kill()
