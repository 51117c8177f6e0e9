"""Runs a job in a child process and turns every outcome into exactly one terminal event.

Free of Qt. The window calls ``supervise`` from a worker thread, the command line from its main thread. A crash in
native code, a kill or a hang in the child never reaches the caller as anything but ``Failed``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Full, Queue
from typing import IO

import msgspec

from core.domain.events import (
    TERMINAL,
    CancelledByUser,
    Emit,
    Event,
    Failed,
    IsCancelled,
    decode_event,
    never,
)
from core.domain.messages import message
from core.jobs.catalogue import JobRequest
from core.jobs.execution_target import THIS_MACHINE, ExecutionTarget
from core.platform.system import kill_session

ROOT = Path(__file__).resolve().parents[2]
_TICK_S = 0.05
_KEPT_LINES = 60
_LONGEST_WORDS = 2_000
"""Bytes of a line of standard error that are kept as last words."""
_LONGEST_EVENT = 64 << 20
"""Bytes of one event; a child on another machine is foreign, and could send a line without an end."""
_MOST_WAITING = 1_000
"""Events that are read ahead; a child that sends more waits."""
_SIGKILL = 9


def child_environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _start(request: JobRequest, place: ExecutionTarget) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        list(place.command),
        cwd=ROOT,
        env={**child_environment(), **place.environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is the parent's to handle
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(request) + b"\n")
    process.stdin.flush()
    return process


def _pump_events(stream: IO[bytes], queue: Queue[bytes | None], over: threading.Event) -> None:
    """Put the child's lines into the queue, and None at their end; after ``over`` they are read and dropped."""

    def put(line: bytes | None) -> None:
        while not over.is_set():
            with contextlib.suppress(Full):
                queue.put(line, timeout=_TICK_S)
                return

    whole = True
    while line := stream.readline(_LONGEST_EVENT):
        if whole and line.endswith(b"\n"):
            put(line)
        whole = line.endswith(b"\n")  # the rest of a line that is too long is no event
    put(None)


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(_LONGEST_WORDS):
        yield line


def _keep_last_words(stream: IO[bytes], kept: deque[str], log: Path | None) -> None:
    with contextlib.ExitStack() as stack:
        sink: IO[bytes] | None = None
        # without a log, where it cannot be written; a stream that nobody reads would stop the child
        with contextlib.suppress(OSError):
            sink = stack.enter_context(log.open("ab", buffering=0)) if log is not None else None
        for line in _lines(stream):
            kept.append(line.decode("utf-8", "replace").rstrip())
            if sink is not None:
                try:
                    sink.write(line)
                except OSError:
                    sink = None


class _Stopper:
    """Asks the child to stop by closing its input, and kills it when the grace period is over."""

    def __init__(self, process: subprocess.Popen[bytes], grace_s: float) -> None:
        self._process = process
        self.grace_s = grace_s
        self._asked_at: float | None = None
        self._beat_at = time.monotonic()

    @property
    def asked(self) -> bool:
        return self._asked_at is not None

    def ask(self) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # a beat that a dead child did not read
                self._process.stdin.close()

    def beat(self, every_s: float) -> None:
        """Write an empty line each ``every_s`` seconds, by which the child sees that it is still followed."""
        now = time.monotonic()
        if self._asked_at is None and now - self._beat_at >= every_s:
            self._beat_at = now
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # the end of its output reports a child that died
                self._process.stdin.write(b"\n")
                self._process.stdin.flush()

    def kill_when_overdue(self) -> None:
        overdue = self._asked_at is not None and time.monotonic() - self._asked_at > self.grace_s
        if overdue and self._process.poll() is None:
            kill_session(self._process.pid)


def _events(
    queue: Queue[bytes | None], stopper: _Stopper, cancelled: IsCancelled, heartbeat_s: float
) -> Iterator[Event]:
    """Decoded events until the child's output ends; a line that is no event is skipped."""
    while True:
        if cancelled():
            stopper.ask()
        stopper.kill_when_overdue()
        if heartbeat_s:
            stopper.beat(heartbeat_s)
        try:
            line = queue.get(timeout=_TICK_S)
        except Empty:
            continue
        if line is None:
            return
        try:
            yield decode_event(line)
        except msgspec.DecodeError:
            # a native library may write to the pipe's descriptor behind Python's back
            continue


def verdict(exit_code: int | None, stopped: bool, last_words: str) -> Event:
    """The terminal event of a child that died without one. ``exit_code``: None where nobody knows it."""
    if stopped:
        return CancelledByUser(
            sentence=message("The job did not stop in time and was ended; its last checkpoint is kept.")
        )
    if exit_code is None:
        how = message("ended without a message (it was killed, or the computer was restarted)")
    elif exit_code == -_SIGKILL:
        how = message("was killed (signal 9; the system does this where the memory is used up)")
    elif exit_code < 0:
        how = message("was killed (signal {signal})", signal=-exit_code)
    else:
        how = message("ended with code {code}", code=exit_code)
    return Failed(
        sentence=message(
            "The job {how} before it was done; what it had saved is kept and it can be resumed.", how=how
        ),
        last_words=last_words,
    )


def supervise(
    request: JobRequest,
    *,
    emit: Emit,
    cancelled: IsCancelled = never,
    grace_s: float = 10.0,
    log: Path | None = None,
    place: ExecutionTarget = THIS_MACHINE,
) -> Event:
    """Run the job to its end and return its terminal event, which was emitted last.

    ``cancelled`` is polled; once true, the child is asked to stop and killed after ``grace_s`` seconds.
    ``log`` receives the child's standard error. ``place`` is the execution target of the child.
    """
    process = _start(request, place)
    assert process.stdout is not None
    assert process.stderr is not None
    queue: Queue[bytes | None] = Queue(_MOST_WAITING)
    over = threading.Event()
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    threads = [
        threading.Thread(target=_pump_events, args=(process.stdout, queue, over), daemon=True),
        threading.Thread(target=_keep_last_words, args=(process.stderr, kept, log), daemon=True),
    ]
    for thread in threads:
        thread.start()
    stopper = _Stopper(process, grace_s)
    final: Event | None = None
    stopped = False
    try:
        for event in _events(queue, stopper, cancelled, request.heartbeat_s):
            if isinstance(event, TERMINAL):
                final = event
            elif final is None:
                emit(event)
        stopped = stopper.asked
    finally:
        # a consumer that raises (Ctrl-C) must not leave the child behind
        over.set()
        _end(process, threads, stopper)
    if final is None:
        final = verdict(process.returncode, stopped, "\n".join(kept))
        if place.lost and isinstance(final, Failed):
            final = msgspec.structs.replace(final, sentence=place.lost)
    elif isinstance(final, Failed) and not final.last_words:
        final = msgspec.structs.replace(final, last_words="\n".join(kept))
    emit(final)
    return final


def _end(process: subprocess.Popen[bytes], threads: list[threading.Thread], stopper: _Stopper) -> None:
    stopper.ask()
    try:
        process.wait(timeout=stopper.grace_s)
    except subprocess.TimeoutExpired:
        kill_session(process.pid)
        process.wait()
    for thread in threads:
        thread.join()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
