"""How smooth the window is while a training that it started works on every core.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_while_training [--study FOLDER] [--seconds N]

A real training job, begun through the training desk with as many threads as there are cores. ``event loop``: how
late a timer of 10 ms is. ``pen move``: from posting one move of the pen to the end of the painting it causes, in
the annotation workspace. The same two without a training stand beside them. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QElapsedTimer, QEvent, QEventLoop, QObject, QPointF, Qt, QTimer
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

from tests.benchmarks.bench_screens import make_study

GOALS = {"event loop, p99": 33.0, "pen move, p95": 16.0}
_TICK_MS = 10


class Lateness(QObject):
    """How late each tick of a timer is, in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self._clock = QElapsedTimer()
        self._timer = QTimer(self, interval=_TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        self._clock.start()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        self.late.append(max(self._clock.nsecsElapsed() / 1e6 - _TICK_MS, 0.0))
        self._clock.restart()


class Bench:
    def __init__(self, application: QApplication, folder: Path) -> None:
        from app.state.session import Session
        from app.views.main_window.window import MainWindow

        self.application = application
        self.window = MainWindow(Session())
        self.window.resize(1500, 900)
        self.window.show()
        self.window.studies.open_trusted(folder)
        self.until(lambda: self.window.annotate.shown is not None)

    def until(self, there: Callable[[], bool], seconds: float = 240) -> None:
        deadline = time.perf_counter() + seconds
        while not there():
            if time.perf_counter() > deadline:
                raise TimeoutError
            self.application.processEvents()
            time.sleep(0.001)

    def train(self, name: str) -> None:
        from app.services.training_service import PlanRequest
        from core.tasks.runs.configure import configure

        changes = ("epochs.warm_start=2", "epochs.warm_up=200", "epochs.draws=420")
        config = configure("compact", label="margin", seed=1, changes=changes)
        training = self.window.training
        training.plan(PlanRequest(config=config, name=name))
        self.until(lambda: training.job is not None and bool(training.job.metrics))

    def lateness(self, seconds: float) -> list[float]:
        found = Lateness()
        found.start()
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            # sleeps between events, as the program does
            self.application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        found.stop()
        return found.late[5:]

    def strokes(self, seconds: float) -> list[float]:
        """Milliseconds of each move of the pen, at most 60 a second."""
        window = self.window
        window.actions_["workspace.annotate"].trigger()
        window.actions_["tool.freehand"].trigger()
        view = window.annotate.view
        painted = _PaintCounter()
        view.installEventFilter(painted)
        times: list[float] = []
        end, number = time.perf_counter() + seconds, 0
        while time.perf_counter() < end:
            self.post(QEvent.Type.MouseButtonPress, number)
            for _ in range(60):
                number += 1
                begin, paints = time.perf_counter(), painted.count
                self.post(QEvent.Type.MouseMove, number)
                while painted.count == paints and time.perf_counter() - begin < 2:
                    self.application.processEvents()
                times.append(1e3 * (time.perf_counter() - begin))
                time.sleep(0.01)
            self.post(QEvent.Type.MouseButtonRelease, number)
            self.application.processEvents()
        view.removeEventFilter(painted)
        return times[3:]

    def post(self, kind: QEvent.Type, number: int) -> None:
        view, left, none = self.window.annotate.view, Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        at = QPointF(300 + 90 * np.cos(number / 17), 300 + 90 * np.sin(number / 17))
        one = none if kind == QEvent.Type.MouseMove else left
        held = none if kind == QEvent.Type.MouseButtonRelease else left
        where = QPointF(view.mapToGlobal(at))
        event = QMouseEvent(kind, at, where, one, held, Qt.KeyboardModifier.NoModifier)
        QApplication.postEvent(view, event)

    def close(self) -> None:
        self.window.training.stop_all()
        self.window.close()
        self.application.processEvents()


class _PaintCounter(QObject):
    count = 0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            self.count += 1
        return False


def measure(folder: Path, *, seconds: float) -> dict[str, float]:
    make_study(folder)
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    bench = Bench(application, folder)
    figures: dict[str, float] = {}
    try:
        for note in ("", " without a training"):
            if not note:
                bench.train(f"smooth-{time.time_ns()}")
            late, moves = bench.lateness(seconds), bench.strokes(seconds)
            if not note:
                assert bench.window.training.running, "the training must work all the while"
                bench.window.training.stop_all()
            figures[f"event loop, p99{note}"] = round(float(np.percentile(late, 99)), 2)
            figures[f"pen move, p95{note}"] = round(float(np.percentile(moves, 95)), 2)
    finally:
        bench.close()
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", type=Path, help="folder to keep the trained study in")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("MARGINALIA_SETTINGS", str(Path(place) / "settings.ini"))
        os.environ.setdefault("MARGINALIA_STATE", str(Path(place) / "state"))
        found = measure(options.study or Path(place) / "study", seconds=options.seconds)
    for name, value in found.items():
        goal = f"at most {GOALS[name]:.0f}" if name in GOALS else ""
        print(f"{name:40}{value:9.2f} ms  {goal}")  # noqa: T201
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
