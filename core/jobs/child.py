"""The child process of a job: ``python -m core.jobs.child [FOLDER]``.

The first line of standard input is the job as JSON. Without a folder, every line of standard output is one event,
and the job is asked to stop when standard input closes. With a folder, events and the stop request are files in it
(``core.jobs.detached``), and the child needs no other process. Everything that a job prints goes to standard
error, so that it cannot be taken for an event.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import (
    CancelledByUser,
    Emit,
    Event,
    Failed,
    IsCancelled,
    Progress,
    Started,
    Succeeded,
    encode_event,
    never,
)
from core.domain.messages import message, sentence_of
from core.jobs.catalogue import MISSED, JobRequest, find_job
from core.jobs.detached import EVENTS, LOCK, STOP
from core.platform.memory import keep_freed_memory
from core.platform.system import limit_this_process, try_lock, yield_to_others

_POLL_S, _LOCK_S, _STOP_S = 0.2, 5.0, 20.0
_PROGRESS_EVERY_S = 0.5
"""In a file, where hours of progress add up."""
_NO_MEMORY = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "Cannot allocate memory",
    "could not create a primitive",
    "can't start new thread",
    "bad_alloc",
    "unable to mmap",
)
"""The messages of torch, its libraries and Python for a lack of memory, on the processor and on graphics cards."""
OUT_OF_MEMORY = message("The job ran out of memory; close other programs or choose smaller batches.")


class _Watcher(threading.Thread):
    """Asks the job to stop when ``wait`` returns; one not yet begun (imports take seconds) ends at once."""

    def __init__(self, wait: Callable[[], None], emit_event: EventWriter) -> None:
        super().__init__(daemon=True)
        self.cancelled, self.begun = threading.Event(), threading.Event()
        self._wait, self._emit = wait, emit_event

    def run(self) -> None:
        self._wait()
        self.cancelled.set()
        if not self.begun.is_set():
            self._emit(CancelledByUser())
            os._exit(1)


def _outcome(request: JobRequest, emit_event: EventWriter, watcher: _Watcher, stopped: IsCancelled) -> Event:
    try:
        job = find_job(request.job)
        watcher.begun.set()
        return Succeeded(
            result=job(request.arguments, emit_event, lambda: watcher.cancelled.is_set() or stopped())
        )
    except Cancelled:
        return CancelledByUser()
    except MarginaliaError as error:
        return Failed(sentence=sentence_of(error))
    except MemoryError:
        return Failed(sentence=OUT_OF_MEMORY)
    except BaseException as error:  # noqa: BLE001 (the process's boundary: a defect must reach the supervisor)
        traceback.print_exc()
        if isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in _NO_MEMORY):
            return Failed(sentence=OUT_OF_MEMORY)
        return Failed(
            sentence=message("The job stopped because of an internal error ({error}).", error=type(error).__name__)
        )


AfterJob = Callable[[Event, Emit], Event | None]


class EventWriter:
    """Writes events, whole lines only, from any thread; progress at most every ``progress_every_s`` seconds."""

    def __init__(self, stream: BinaryIO, progress_every_s: float = 0.0) -> None:
        self.stream = stream
        self._every = progress_every_s
        self._spoke, self._stage = 0.0, ""
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, Progress):
                now = time.monotonic()
                if event.stage == self._stage and now - self._spoke < self._every:
                    return
                self._spoke, self._stage = now, event.stage
            self.stream.write(encode_event(event))
            self.stream.flush()


def _until_input_ends(silence_s: float) -> None:
    """Return when standard input ends, or after ``silence_s`` seconds without a line (0: no limit).

    After such a silence a job that does not stop in time is ended: nobody is left to end it.
    """
    ended, heard = threading.Event(), time.monotonic()

    def read() -> None:
        nonlocal heard
        while os.read(sys.stdin.fileno(), 4096):
            heard = time.monotonic()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    while not ended.wait(_POLL_S):
        if silence_s and time.monotonic() - heard > silence_s:
            killer = threading.Timer(_STOP_S, os._exit, [1])
            killer.daemon = True
            killer.start()
            return


def _until_asked(folder: Path) -> None:
    while not (folder / STOP).exists():
        time.sleep(_POLL_S)


def hold(folder: Path) -> BinaryIO:
    """Acquire the lock that shows that this child is alive; a check for a live child holds it for a moment."""
    file = (folder / LOCK).open("ab")
    deadline = time.monotonic() + _LOCK_S
    while not try_lock(file):
        if time.monotonic() > deadline:
            sys.stderr.write(f"another job is using {folder}\n")
            sys.exit(3)
        time.sleep(0.01)
    return file


def work_in(
    folder: Path, request: JobRequest, *, stopped: IsCancelled = never, after: AfterJob | None = None
) -> None:
    """Carry out the job with its events and the wish to stop in files of ``folder``; end this process with it.

    ``stopped`` is another wish to stop. ``after`` is called with the terminal event before it is written, and
    returns what is written in its place; None: nothing, and the job counts as not ended.
    """
    yield_to_others()
    held = hold(folder)
    emit = EventWriter((folder / EVENTS).open("ab"), _PROGRESS_EVERY_S)
    watcher = _Watcher(lambda: _until_asked(folder), emit)
    watcher.start()
    emit(Started(job=request.job, pid=os.getpid()))
    final = _outcome(request, emit, watcher, stopped)
    written: Event | None = final
    if after is not None and not watcher.cancelled.is_set():
        written = after(final, emit)
    if written is not None:
        emit(written)
    sys.stderr.flush()
    held.close()
    _end(final)


def _work_on_pipes(request: JobRequest) -> None:
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    emit = EventWriter(events)
    watcher = _Watcher(lambda: _until_input_ends(request.heartbeat_s * MISSED), emit)
    watcher.start()
    emit(Started(job=request.job, pid=os.getpid()))
    final = _outcome(request, emit, watcher, never)
    emit(final)
    sys.stderr.flush()
    _end(final)


def _end(final: Event) -> None:
    """End the process: the watcher still sits in a blocking read, and a normal exit would wait for its lock."""
    os._exit(0 if isinstance(final, Succeeded) else 1)


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no sessions, Ctrl-C reaches us too
    limit_this_process()
    keep_freed_memory()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=JobRequest)
    if arguments:
        work_in(Path(arguments[0]), request)
    else:
        _work_on_pipes(request)
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
