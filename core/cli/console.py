"""What a command says to a person or to a program that called it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from core.domain.events import Event, Message, Metrics, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

_PLAIN_EVERY_S = 10.0


def _plain_text(text: str, *, lines: bool = True) -> str:
    """Without what steers a terminal or turns the reading order: names of files and people are foreign."""
    kept = "\n" if lines else ""
    return "".join(c if c.isprintable() or c in kept else "\ufffd" for c in text)


class Console:
    """Results on standard output, everything else on standard error.

    As a context manager it turns Ctrl-C into a request to stop (``cancelled``); a second Ctrl-C interrupts at
    once.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._show = not quiet
        self._interrupted = threading.Event()
        self._bars: Bars | None = None
        self._tasks: dict[str, Any] = {}
        self._last_plain: dict[str, float] = {}
        self._before: Callable[[int, FrameType | None], Any] | int | None = None

    def __enter__(self) -> Console:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._close_bars()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted.is_set():
            raise KeyboardInterrupt
        self._interrupted.set()

    def cancelled(self) -> bool:
        return self._interrupted.is_set()

    def emit(self, event: Event) -> None:
        """Show a job's event; the terminal one is the caller's to act on."""
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

    def result(self, document: Any, text: str) -> None:
        """The command's result: ``document`` as JSON where that was asked for, else ``text``."""
        self._close_bars()
        if self._as_json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
        else:
            sys.stdout.write(_plain_text(text.rstrip("\n")) + "\n")
        sys.stdout.flush()

    def error(self, sentence: str) -> None:
        self._close_bars()
        sys.stderr.write(f"Error: {_plain_text(sentence, lines=False)}\n")

    def _line(self, text: str) -> None:
        text = _plain_text(text)
        if self._bars is not None:
            self._bars.console.print(text, highlight=False, markup=False)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _progress(self, event: Progress) -> None:
        if not sys.stderr.isatty():
            self._plain_progress(event)
            return
        bars = self._open_bars()
        if event.stage not in self._tasks:
            self._tasks[event.stage] = bars.add_task(event.stage, total=event.total or None, detail="")
        bars.update(self._tasks[event.stage], completed=event.done, total=event.total or None, detail=event.detail)

    def _plain_progress(self, event: Progress) -> None:
        now = time.monotonic()
        finished = event.total > 0 and event.done >= event.total
        if not finished and now - self._last_plain.get(event.stage, -_PLAIN_EVERY_S) < _PLAIN_EVERY_S:
            return
        self._last_plain[event.stage] = now
        share = f"{event.done} of {event.total}" if event.total else str(event.done)
        left = f", about {event.eta_s:.0f} s left" if event.eta_s else ""
        detail = f" ({event.detail})" if event.detail else ""
        self._line(f"{event.stage}: {share}{left}{detail}")

    def _open_bars(self) -> Bars:
        if self._bars is None:
            from rich.console import Console as Terminal
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[detail]}"),
                console=Terminal(stderr=True),
            )
            self._bars.start()
        return self._bars

    def _close_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
            self._tasks.clear()
