"""A job for tests without real work: it counts, fails, dies or hangs on request.

It tests the supervisor's guarantees with a real child process. ``main.py self-test`` uses it to show them on the
user's machine.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import Emit, IsCancelled, Progress
from core.domain.messages import message
from core.platform.system import limit_this_process


def rehearse(arguments: dict[str, Any], emit: Emit, cancelled: IsCancelled) -> dict[str, object]:
    """Count to ``steps``, then end as ``end`` requests: succeed, fail, defect, exit, garbage, memory,
    hang or deaf.

    Before that, write ``chatter`` bytes to standard error.
    """
    steps, end = int(arguments.get("steps", 3)), str(arguments.get("end", "succeed"))
    for _ in range(int(arguments.get("chatter", 0)) // 100):
        sys.stderr.write("." * 99 + "\n")
    for step in range(steps):
        if cancelled():
            raise Cancelled
        emit(Progress(stage="rehearsal", done=step + 1, total=steps))
        time.sleep(float(arguments.get("pause_s", 0.0)))
    match end:
        case "fail":
            raise MarginaliaError(message("The rehearsal was asked to fail."))
        case "defect":
            raise RuntimeError("The rehearsal was asked to break.")
        case "exit":
            sys.stderr.write("last words\n")
            sys.stderr.flush()
            os._exit(41)
        case "garbage":
            _write_garbage(emit)
        case "memory":
            _use_up_memory(int(arguments.get("limit", 1 << 30)))
        case "hang":
            while not cancelled():
                time.sleep(0.01)
            raise Cancelled
        case "deaf":
            while True:
                time.sleep(1)
    return {"counted": steps}


def _use_up_memory(limit: int) -> None:
    """Take memory until the system gives no more of it; the limit of this process keeps the others whole."""
    limit_this_process(memory_bytes=limit)
    taken = []
    while True:
        taken.append(bytearray(32 << 20))


def _write_garbage(emit: Emit) -> None:
    """Write garbage to the pipe's descriptor, like a native library that prints without Python."""
    stream = getattr(emit, "stream", None)
    if stream is not None:
        stream.write(b"\xff not an event\n{}\n")
