"""When a process died, by the clock: what "soon after a worker's death" is counted from."""

from __future__ import annotations

import os
import select
import threading
import time


class DeathWatch:
    """Waits for the end of a process in a thread that does nothing else (by Linux's descriptor of a process)."""

    def __init__(self, pid: int) -> None:
        self._handle = os.pidfd_open(pid)
        self._died_at = 0.0
        self._thread = threading.Thread(target=self._wait, name=f"watch over {pid}")
        self._thread.start()

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._handle, select.POLLIN)
        poll.poll()
        self._died_at = time.monotonic()
        os.close(self._handle)

    def died_at(self) -> float:
        """On ``time.monotonic``; waits for the death."""
        self._thread.join()
        return self._died_at
