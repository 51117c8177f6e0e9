"""The child's side of a job: ``python -m core.jobs.child``.

The first line of standard input is the job as JSON; every line of standard output is one event. When standard
input closes, the job is asked to stop. Whatever a job prints goes to standard error, so that it cannot be
taken for an event.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from typing import BinaryIO

import msgspec

from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import CancelledByUser, Event, Failed, Started, Succeeded, encode_event
from core.domain.system import limit_this_process
from core.jobs.catalogue import JobRequest, find_job


class _Watcher(threading.Thread):
    """Asks the job to stop when standard input ends; one not yet begun (imports take seconds) ends at once."""

    def __init__(self, stream: BinaryIO, emit_event: EventWriter) -> None:
        super().__init__(daemon=True)
        self.cancelled, self.begun = threading.Event(), threading.Event()
        self._stream, self._emit = stream, emit_event

    def run(self) -> None:
        while self._stream.read(4096):
            pass
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
        return Failed(sentence="The job ran out of memory; close other programs or choose smaller batches.")
    except BaseException as error:  # noqa: BLE001 (the process's boundary: a defect must reach the supervisor)
        traceback.print_exc()
        return Failed(sentence=f"The job stopped because of a defect of the program ({type(error).__name__}).")


class EventWriter:
    """Writes events to the pipe, whole lines only, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.stream.write(encode_event(event))
            self.stream.flush()


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there are no sessions, Ctrl-C reaches us too
    limit_this_process()
    events = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    source = sys.stdin.buffer
    request = msgspec.json.decode(source.readline(), type=JobRequest)
    emit = EventWriter(events)
    watcher = _Watcher(source, emit)
    watcher.start()
    emit(Started(job=request.job, pid=os.getpid()))
    final = _outcome(request, emit, watcher)
    emit(final)
    # the watcher still sits in a blocking read of standard input; a normal exit would wait for its lock
    sys.stderr.flush()
    os._exit(0 if isinstance(final, Succeeded) else 1)


if __name__ == "__main__":
    main()
