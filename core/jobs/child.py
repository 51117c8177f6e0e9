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
from core.domain.events import CancelledByUser, Event, Failed, Progress, Started, Succeeded, encode_event
from core.jobs.catalogue import JobRequest, find_job
from core.jobs.detached import EVENTS, LOCK, STOP
from core.platform.system import limit_this_process, try_lock, yield_to_others

_POLL_S, _LOCK_S = 0.2, 5.0
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
OUT_OF_MEMORY = "The job ran out of memory; close other programs or choose smaller batches."


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


def _outcome(request: JobRequest, emit_event: EventWriter, watcher: _Watcher) -> Event:
    try:
        job = find_job(request.job)
        watcher.begun.set()
        return Succeeded(result=job(request.arguments, emit_event, watcher.cancelled.is_set))
    except Cancelled:
        return CancelledByUser()
    except MarginaliaError as error:
        return Failed(sentence=str(error))
    except MemoryError:
        return Failed(sentence=OUT_OF_MEMORY)
    except BaseException as error:  # noqa: BLE001 (the process's boundary: a defect must reach the supervisor)
        traceback.print_exc()
        if isinstance(error, RuntimeError | OSError) and any(words in str(error) for words in _NO_MEMORY):
            return Failed(sentence=OUT_OF_MEMORY)
        return Failed(sentence=f"The job stopped because of an internal error ({type(error).__name__}).")


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


def _until_input_ends() -> None:
    while sys.stdin.buffer.read(4096):
        pass


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


def main(arguments: list[str]) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no sessions, Ctrl-C reaches us too
    limit_this_process()
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=JobRequest)
    if arguments:
        folder = Path(arguments[0])
        yield_to_others()
        held = hold(folder)
        emit = EventWriter((folder / EVENTS).open("ab"), _PROGRESS_EVERY_S)
        watcher = _Watcher(lambda: _until_asked(folder), emit)
    else:
        held = None
        events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        emit = EventWriter(events)
        watcher = _Watcher(_until_input_ends, emit)
    watcher.start()
    emit(Started(job=request.job, pid=os.getpid()))
    final = _outcome(request, emit, watcher)
    emit(final)
    # the watcher still sits in a blocking read of standard input; a normal exit would wait for its lock
    sys.stderr.flush()
    if held is not None:
        held.close()
    os._exit(0 if isinstance(final, Succeeded) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
