"""Results, progress and errors of a command, for a person or for the program that called it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from core.domain.errors import Cancelled, MarginaliaError
from core.domain.events import Event, Message, Metrics, Progress
from core.domain.messages import Sentence, as_text, encode_sentence, message

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.status import Status

_PLAIN_EVERY_S = 10.0
_ALIVE_AFTER_S = 1.0
"""The time in seconds without output after which a command reports that it is still working."""
_ETA_AFTER_S, _ETA_AFTER_UNITS = 5.0, 3
"""The time left is shown only once this much of a stage was observed."""
_NARROW = 60
"""Terminals of fewer columns get counts without a bar."""


STAGES = {
    "A1": "joint training (A1)",
    "A2": "projecting prototypes (A2)",
    "A3": "fitting the last layer (A3)",
    "B": "fitting malignancy (B)",
    "selection": "choosing the best epoch",
}
"""Stages of a training by their names in the paper, in words."""


def _plain_text(text: str, *, lines: bool = True) -> str:
    """Without what steers a terminal or turns the reading order: names of files and people are foreign."""
    kept = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in kept else "\ufffd" for c in text)


class Console:
    """Results on standard output, everything else on standard error.

    As a context manager it turns Ctrl-C into a request to stop (``cancelled``); a second Ctrl-C interrupts at
    once. With ``as_json`` progress is shown on a terminal only, so that both streams can be read by programs.
    """

    def __init__(self, *, as_json: bool, quiet: bool, name: str = "") -> None:
        self.as_json = as_json
        self._name = name
        self._printed = False
        self._show = not quiet and (not as_json or sys.stderr.isatty())
        self._interrupted = threading.Event()
        self._bars: Bars | None = None
        self._status: Status | None = None
        self._lock = threading.Lock()
        self._alive: threading.Timer | None = None
        self._tasks: dict[str, Any] = {}
        self._last: Progress | None = None
        self._begun: dict[str, tuple[float, int]] = {}
        self._last_plain: dict[str, float] = {}
        self._before: Callable[[int, FrameType | None], Any] | int | None = None
        for stream in (sys.stdout, sys.stderr):
            # a name that the terminal's encoding does not have must not end the command
            with suppress(AttributeError, ValueError):
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]

    def __enter__(self) -> Console:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        if self._show:
            self._alive = threading.Timer(_ALIVE_AFTER_S, self._show_life)
            self._alive.daemon = True
            self._alive.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._close_bars()
        if self._alive is not None:
            self._alive.join()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted.is_set():
            raise KeyboardInterrupt
        self._interrupted.set()

    def cancelled(self) -> bool:
        return self._interrupted.is_set()

    def progress(self, stage: str) -> Callable[[int, int], None]:
        """A callback (done, total) that shows the progress of a stage. It raises Cancelled after Ctrl-C, for work
        that asks nobody else."""

        def on_progress(done: int, total: int) -> None:
            if self.cancelled():
                raise Cancelled
            self.emit(Progress(stage=stage, done=done, total=total))

        return on_progress

    def emit(self, event: Event) -> None:
        """Show a job's event; the terminal one is the caller's to act on."""
        if isinstance(event, Progress | Metrics):
            event = msgspec.structs.replace(event, stage=STAGES.get(event.stage, event.stage))
        if isinstance(event, Progress):
            self._last = event
        match event:
            case Progress() if self._show:
                self._progress(event)
            case Metrics() if self._show:
                values = [f"{name} {value:.3f}" for name, value in event.values.items() if value is not None]
                self._line(f"{event.stage}, epoch {event.epoch}: " + ", ".join(values))
            case Message(level="warning"):
                self._line(f"Warning: {event.text}")
            case Message() if self._show:
                self._line(event.text)

    def note(self, text: str) -> None:
        """A line on standard error, unless the command is quiet or called by a program."""
        if self._show:
            self._line(text)

    def warn(self, text: str) -> None:
        self._line(f"Warning: {text}")

    def result(self, document: Any, text: str) -> None:
        """The command's result: ``document`` as JSON where that was asked for, else ``text``."""
        if self.as_json:
            self.print(msgspec.json.format(msgspec.json.encode(document, enc_hook=as_text)).decode())
        else:
            self.print(_plain_text(text.rstrip("\n")))

    def print(self, text: str) -> None:
        """Text on standard output. MarginaliaError if it cannot be written there."""
        self._close_bars()
        self._printed = True
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            _give_up(sys.stdout)
            raise MarginaliaError(
                message(
                    "The result could not be written to standard output: {reason}.",
                    reason=(error.strerror or "error").lower(),
                )
            ) from error

    def reader_is_gone(self) -> bool:
        """True if standard output is a pipe that nobody reads any more; it is then closed for good."""
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            _give_up(sys.stdout)
            return True
        return False

    def error(self, sentence: Sentence) -> None:
        """The sentence on standard error; as JSON also on standard output, where no result was printed."""
        self._close_bars()
        with suppress(BrokenPipeError):
            sys.stderr.write(f"Error: {_plain_text(sentence, lines=False)}\n")
        if self.as_json and not self._printed:
            known = {"sentence": str(sentence), "id": sentence.id, "args": dict(sentence.args)}
            with suppress(OSError, ValueError, MarginaliaError):
                self.print(
                    msgspec.json.format(msgspec.json.encode({"error": known}, enc_hook=encode_sentence)).decode()
                )

    def cancelled_notice(self) -> None:
        """Print the progress of the work at Ctrl-C."""
        self._close_bars()
        at = self._last
        reached = f" {at.stage}: {at.done:,} of {at.total:,} done." if at is not None and at.total else ""
        sys.stderr.write(f"Cancelled.{reached} Finished work is kept; run the command again to go on.\n")

    def _show_life(self) -> None:
        """In a thread of its own, because the first second often goes into loading libraries."""
        with self._lock:
            if self._bars is not None or self._last is not None:
                return
            if not sys.stderr.isatty():
                sys.stderr.write(f"{self._name}: working\n")
                sys.stderr.flush()
                return
        from rich.console import Console as Terminal

        status = Terminal(stderr=True).status(f"{self._name}: working")
        with self._lock:
            if self._bars is None and self._alive is not None and not self._alive.finished.is_set():
                self._status = status
                status.start()

    def _line(self, text: str) -> None:
        text = _plain_text(text)
        self._stop_status()
        if self._bars is not None:
            self._bars.console.print(text, highlight=False, markup=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _progress(self, event: Progress) -> None:
        self._stop_status()
        if not sys.stderr.isatty():
            self._plain_progress(event)
            return
        bars = self._open_bars()
        if event.stage not in self._tasks:
            self._tasks[event.stage] = bars.add_task(event.stage, total=event.total or None, detail="", left="")
        task = self._tasks[event.stage]
        left = self._time_left(event)
        bars.update(
            task,
            completed=event.done,
            total=event.total or None,
            detail=event.detail,
            left=f"{left} left" if left else "",
        )

    def _time_left(self, event: Progress) -> str:
        """ "3 min", from what was observed of the stage; "" while that is too little. The first unit of a stage
        holds the start of its processes, and is not counted."""
        now = time.monotonic()
        since, done = self._begun.setdefault(event.stage, (now, event.done))
        if event.done < done:  # the stage began anew
            since, done = self._begun[event.stage] = (now, event.done)
        if not event.total or event.done - done < _ETA_AFTER_UNITS or now - since < _ETA_AFTER_S:
            return ""
        seconds = (now - since) / (event.done - done) * (event.total - event.done)
        return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

    def _plain_progress(self, event: Progress) -> None:
        now = time.monotonic()
        left = self._time_left(event)
        finished = event.total > 0 and event.done >= event.total
        if not finished and now - self._last_plain.get(event.stage, -_PLAIN_EVERY_S) < _PLAIN_EVERY_S:
            return
        self._last_plain[event.stage] = now
        share = f"{event.done} of {event.total}" if event.total else str(event.done)
        detail = f" ({event.detail})" if event.detail else ""
        self._line(f"{event.stage}: {share}{f', about {left} left' if left and not finished else ''}{detail}")

    def _open_bars(self) -> Bars:
        if self._bars is None:
            from rich.console import Console as Terminal
            from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn
            from rich.progress import Progress as Bars

            terminal = Terminal(stderr=True)
            columns: list[ProgressColumn] = [TextColumn("{task.description}"), MofNCompleteColumn()]
            if terminal.width >= _NARROW:
                columns[1:1] = [BarColumn()]
                columns += [TextColumn("{task.fields[left]}"), TextColumn("{task.fields[detail]}")]
            with self._lock:
                self._bars = Bars(*columns, console=terminal)
            self._bars.start()
        return self._bars

    def _stop_status(self) -> None:
        with self._lock:
            if self._alive is not None:
                self._alive.cancel()
            if self._status is not None:
                self._status.stop()
                self._status = None

    def _close_bars(self) -> None:
        self._stop_status()
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()


def _give_up(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that the interpreter does not complain at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
