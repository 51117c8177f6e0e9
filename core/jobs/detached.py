"""Jobs that outlive the process that started them; a later process can find and follow them.

Free of Qt, like ``core.jobs.supervisor``. Child and follower communicate through files in the job's folder. Either
may be killed at any moment while the other continues:

- ``job.lock`` is locked by the child as long as it lives;
- ``events.jsonl`` holds every event from ``Started`` to the terminal one, a line each;
- ``stop`` asks the child to stop, by its presence.

A follower reads the events from the first one on, no matter whether it started the job or found it.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.domain.errors import StudyError
from core.domain.events import TERMINAL, Emit, Event, Failed, IsCancelled, Message, Started, decode_event, never
from core.domain.messages import message
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import ROOT, child_environment, verdict
from core.platform.system import kill_process, try_lock, unlock

LOCK, EVENTS, STOP = "job.lock", "events.jsonl", "stop"
SILENT_S = 300.0
"""Time without an event, in seconds, after which the follower reports that the job may hang.

A batch of VGG-16 on a small computer takes a minute."""
_TICK_S, _START_S, _EXIT_S = 0.05, 60.0, 10.0
_LAST_BYTES, _LAST_LINES = 8000, 60

_children: dict[Path, subprocess.Popen[bytes]] = {}
"""Children that this process started and must wait for when they end. A detached child stays in here."""
_guard = threading.Lock()


def is_alive(folder: Path) -> bool:
    """Return True if a child works in this folder now, in whichever process it was started."""
    try:
        with (folder / LOCK).open("r+b") as file:
            if not try_lock(file):
                return True
            unlock(file)
    except OSError:
        return False
    return False


def was_here(folder: Path) -> bool:
    """Return True if a job of this kind works here, or ended here and was not removed since."""
    try:
        return (folder / EVENTS).stat().st_size > 0
    except OSError:
        return False


def forget(folder: Path) -> None:
    """Take away what the last job left, before another begins. Only where none is alive."""
    for name in (EVENTS, STOP):
        (folder / name).unlink(missing_ok=True)


def ask_to_stop(folder: Path) -> None:
    """Ask the child to stop after its current step; its last event confirms it."""
    (folder / STOP).touch()


def final_event(folder: Path) -> Event | None:
    """The terminal event of the last job of this folder; None where it works still, or died without one."""
    found = list(EventTail(folder / EVENTS).read())
    return found[-1] if found and isinstance(found[-1], TERMINAL) else None


def launch(request: JobRequest, folder: Path, *, log: Path) -> None:
    """Start the child and wait until it works (seconds at most); ``follow`` then reports its outcome.

    ``log`` receives its standard error. Raises: StudyError if a job works in the folder already.
    """
    if is_alive(folder):
        raise StudyError(
            message("Another job is using {folder}; wait for it, or stop it first.", folder=folder.name)
        )
    forget(folder)
    with log.open("ab") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.jobs.child", str(folder)],
            cwd=ROOT,
            env=child_environment(),
            stdin=subprocess.PIPE,
            stdout=words,
            stderr=words,
            start_new_session=True,  # it hears neither Ctrl-C nor the end of the terminal
        )
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # a child that died at once is told of by ``follow``
        process.stdin.write(msgspec.json.encode(request) + b"\n")
        process.stdin.close()
    with _guard:
        _children[folder.resolve()] = process
    deadline = time.monotonic() + _START_S
    while not was_here(folder) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(_TICK_S)


def follow(
    folder: Path,
    *,
    emit: Emit,
    cancelled: IsCancelled = never,
    left: IsCancelled = never,
    grace_s: float = 10.0,
    silent_s: float = SILENT_S,
    log: Path | None = None,
) -> Event | None:
    """Emit the job's events, from its first one, to its end; return the terminal event, which was emitted last.

    ``cancelled`` is polled: once true, the child is asked to stop, and killed after ``grace_s`` seconds. None if
    ``left`` became true first: nothing more is emitted, and the job continues alone.
    """
    return _Follower(folder, emit, grace_s, silent_s, log).run(cancelled, left)


class _Follower:
    def __init__(self, folder: Path, emit: Emit, grace_s: float, silent_s: float, log: Path | None) -> None:
        self.folder, self.emit, self.grace_s, self.silent_s, self.log = folder, emit, grace_s, silent_s, log
        self.tail = EventTail(folder / EVENTS)
        self.pid = 0
        self.asked_at: float | None = None
        self.heard_at: float | None = time.monotonic()

    def run(self, cancelled: IsCancelled, left: IsCancelled) -> Event | None:
        while True:
            alive = is_alive(self.folder)  # asked first: what it wrote before its end is read below
            final = self._relay()
            if final is None and not alive:
                final = self._verdict()
            if final is not None:
                self._reap()
                final = self._with_last_words(final)
                self.emit(final)
                return final
            if left():
                return None
            if cancelled():
                self._stop()
            self._notice_silence()
            time.sleep(_TICK_S)

    def _relay(self) -> Event | None:
        final: Event | None = None
        for event in self.tail.read():
            self.heard_at = time.monotonic()
            if isinstance(event, Started):
                self.pid = event.pid
            if isinstance(event, TERMINAL):
                final = event
            elif final is None:
                self.emit(event)
        return final

    def _stop(self) -> None:
        now = time.monotonic()
        if self.asked_at is None:
            self.asked_at = now
            ask_to_stop(self.folder)
        elif now - self.asked_at > self.grace_s and self.pid and is_alive(self.folder):
            kill_process(self.pid)

    def _notice_silence(self) -> None:
        """Once for each silence: the job is not stopped, since only a person knows whether it hangs."""
        if self.heard_at is not None and time.monotonic() - self.heard_at > self.silent_s:
            self.heard_at = None
            minutes = round(self.silent_s / 60)
            said = (
                message("for {minutes} minutes", minutes=minutes)
                if minutes > 1
                else message("for {seconds:.0f} seconds", seconds=self.silent_s)
            )
            text = message(
                "The job has not reported {said}: it may hang. Stop it and resume from its checkpoint.", said=said
            )
            self.emit(Message(level="warning", text=text))

    def _verdict(self) -> Event:
        with _guard:
            process = _children.get(self.folder.resolve())
        if process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_EXIT_S)
        return verdict(None if process is None else process.returncode, self.asked_at is not None, "")

    def _with_last_words(self, final: Event) -> Event:
        if not isinstance(final, Failed) or final.last_words or self.log is None:
            return final
        return msgspec.structs.replace(final, last_words=end_of(self.log))

    def _reap(self) -> None:
        """Wait for the child where it is ours, so that it leaves no zombie."""
        with _guard:
            process = _children.pop(self.folder.resolve(), None)
        if process is None:
            return
        try:
            process.wait(timeout=_EXIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class EventTail:
    """Whole lines as they come; a line that is half written waits for its rest."""

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, 0, b""

    def read(self) -> Iterator[Event]:
        """Read the events written since the last call; a line that is no event is skipped."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except OSError:
            return
        self._at += len(new)
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            with contextlib.suppress(msgspec.DecodeError):
                yield decode_event(line)


def end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LAST_BYTES))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-_LAST_LINES:])
    except OSError:
        return ""
