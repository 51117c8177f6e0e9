"""How fast a study of a hundred thousand lesions opens, filters and scrolls, and what memory the window takes.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_worklist [--study FOLDER] [--json FILE]

The study is made where FOLDER does not exist. Each figure runs from what the reader does to the end of the
painting that shows its result. Nothing is asserted; the goals stand beside the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

LESIONS = 100_000
GOALS = {"window up": 2000, "filter answers": 150, "scrolling p95": 16, "memory MB": 600}
STEPS = 200


def make(folder: Path, lesions: int) -> None:
    """With pixels for the first images, so that thumbnails are made while the list is scrolled."""
    from tests.app.studies import make_large_study, make_small_study

    small = folder.with_name(folder.name + "-small")
    make_small_study(small, folder.with_name(folder.name + "-source"), patients=2)
    make_large_study(folder, small, lesions=lesions)


def measure(folder: Path, started: float) -> dict[str, list[float]]:
    """In this process, which began at ``started`` (``time.time()``) and has imported nothing yet."""
    from PySide6.QtCore import QEventLoop, QPoint, QPointF, Qt, QTimer
    from PySide6.QtGui import QWheelEvent
    from PySide6.QtWidgets import QApplication

    from app.qt.background import prefer_the_window
    from app.qt.theme import Theme, apply_theme
    from app.state.session import Session
    from app.views.main_window.window import MainWindow

    application = QApplication([])
    prefer_the_window()
    awake = QTimer(interval=2)
    awake.start()
    apply_theme(application, Theme.DARK)
    window = MainWindow(Session())
    window.resize(1280, 800)
    window.show()
    window.studies.open_trusted(folder)
    panel = window.annotate.worklist

    def until(there: Callable[[], bool]) -> None:
        # asleep between events, as the program is: a loop that polls would keep the worker from its work
        end = time.perf_counter() + 60
        while not there() and time.perf_counter() < end:
            application.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    until(lambda: panel.model.rowCount() > 0 and window.annotate.shown is not None)
    panel.list.viewport().repaint()
    figures = {"window up": [1000 * (time.time() - started)]}
    # what runs beside the opening ends first
    until(lambda: panel._progress.maximum() > 1 and window.annotate.preview.has_picture)

    def answer(act: Callable[[], None]) -> float:
        begin = time.perf_counter()
        seen: list[int] = []
        connection = panel.model.refreshed.connect(lambda: seen.append(1))
        act()
        until(lambda: bool(seen) and not panel.model.busy)
        panel.list.viewport().repaint()
        panel.model.refreshed.disconnect(connection)
        return 1000 * (time.perf_counter() - begin)

    figures["filter answers"] = []
    for place in (1, 2, 3, 4, 0):
        figures["filter answers"].append(answer(lambda place=place: panel.only.setCurrentIndex(place)))  # type: ignore[misc]
    for text in ("P00012", "MLO", "nobody", ""):
        # Enter answers at once; while one types, the answer waits for a pause of the hand
        def type_and_enter(text: str = text) -> None:
            panel.search.setText(text)
            panel.search.returnPressed.emit()

        figures["filter answers"].append(answer(type_and_enter))
    for place in (1, 2, 3, 0):
        figures["filter answers"].append(answer(lambda place=place: panel.order.setCurrentIndex(place)))  # type: ignore[misc]

    def turn(notches: int) -> float:
        viewport = panel.list.viewport()
        at = QPointF(80, 200)
        begin = time.perf_counter()
        event = QWheelEvent(
            at, viewport.mapToGlobal(at), QPoint(), QPoint(0, -120 * notches), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.postEvent(viewport, event)
        application.processEvents()
        viewport.repaint()
        return 1000 * (time.perf_counter() - begin)

    figures["scrolling p95"] = [turn(1) for _ in range(STEPS)]
    figures["scrolling p95"] += [turn(12) for _ in range(STEPS)]
    bar = panel.list.verticalScrollBar()

    def jump(share: float) -> float:
        begin = time.perf_counter()
        bar.setValue(round(bar.maximum() * share))
        panel.list.viewport().repaint()
        application.processEvents()
        return 1000 * (time.perf_counter() - begin)

    figures["scrolling p95"] += [jump((i * 37 % 100) / 100) for i in range(100)]
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    figures["memory MB"] = [memory]
    window.studies.close()
    window.close()
    return figures


def summary(figures: dict[str, list[float]]) -> dict[str, Any]:
    import numpy as np

    found: dict[str, Any] = {}
    for name, values in figures.items():
        shown = np.percentile(values, 95) if name.endswith("p95") else max(values)
        found[name] = {
            "figure": round(float(shown), 1),
            "median": round(float(np.median(values)), 1),
            "goal": GOALS[name],
            "times": len(values),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--lesions", type=int, default=LESIONS)
    parser.add_argument("--measure", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure is not None:
        found = summary(measure(arguments.study, arguments.measure))
        sys.stdout.write(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as place:
        study = arguments.study or Path(place, "large")
        if not study.exists():
            make(study, arguments.lesions)
        environment = os.environ | {"MARGINALIA_SETTINGS": str(Path(place, "settings.ini"))}
        command = [sys.executable, "-m", "tests.benchmarks.bench_worklist", "--study", str(study)]
        done = subprocess.run(
            [*command, "--measure", str(time.time())], env=environment, check=True, capture_output=True, text=True
        )
    figures = json.loads(done.stdout)
    for name, row in figures.items():
        mark = "" if row["figure"] <= row["goal"] else "  over"
        print(f"{name:20}{row['figure']:10.1f}  median {row['median']:8.1f}  goal {row['goal']}{mark}")  # noqa: T201
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
