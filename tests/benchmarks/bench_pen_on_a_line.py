"""The pen in a shared study while the line to its server is slow or cut.

    QT_QPA_PLATFORM=offscreen python -m tests.benchmarks.bench_pen_on_a_line [--seconds N] [--json FILE]

A real server in a folder of its own, and a window on it through a line of the tests: whole, with a round trip of
100 ms more, and cut for the whole measurement. ``pen move``: from posting one move of the pen to the end of the
painting it causes; ``stroke``: from lifting the pen until the stroke is on this computer's disk and painted.
``others`` counts statements that the window's own thread sent to the server meanwhile. At the end every stroke
that was kept must be at the server. Nothing else is asserted; the goal of a pen move is a p95 of 8 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import msgspec
import numpy as np
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication
from sqlalchemy import Engine, event

from core.domain.shapes import Shape
from core.store.postgresql.address import read_address, write_address
from core.store.study import Study
from tests.benchmarks.bench_while_training import Bench, _PaintCounter
from tests.database_server import USER, DatabaseServer, database_server
from tests.line_to_server import SlowLine

MOVES = 40


class Pen:
    """Draws in the window, and notes how long each part took and which strokes were kept."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.kept = bench, list[tuple[Shape, ...]]()
        self.statements = 0
        bench.window.actions_["workspace.annotate"].trigger()
        bench.window.actions_["tool.freehand"].trigger()
        session = bench.window.session
        keep = session.commit_shapes

        def commit(lesion_id: str, shapes: tuple[Shape, ...]) -> None:
            keep(lesion_id, shapes)
            self.kept.append(shapes)

        session.commit_shapes = commit  # type: ignore[method-assign]
        bench.window.annotate._load_document()
        event.listen(Engine, "before_cursor_execute", self._note)

    def _note(self, connection: object, *_rest: object) -> None:
        if threading.current_thread() is threading.main_thread() and "postgres" in str(connection.engine.url):  # type: ignore[attr-defined]
            self.statements += 1

    def draw(self, seconds: float) -> dict[str, float]:
        view, painted = self.bench.window.annotate.view, _PaintCounter()
        view.installEventFilter(painted)
        moves, strokes = list[float](), list[float]()
        end, number, before, self.statements = time.perf_counter() + seconds, 0, len(self.kept), 0
        while time.perf_counter() < end:
            self.bench.post(QEvent.Type.MouseButtonPress, number)
            for _ in range(MOVES):
                number += 1
                moves.append(self._until_painted(painted, QEvent.Type.MouseMove, number))
                time.sleep(0.01)
            strokes.append(self._until_painted(painted, QEvent.Type.MouseButtonRelease, number))
        view.removeEventFilter(painted)
        return {
            "pen move p50 ms": _at(moves[3:], 50),
            "pen move p95 ms": _at(moves[3:], 95),
            "pen move longest ms": _at(moves[3:], 100),
            "stroke p95 ms": _at(strokes, 95),
            "strokes kept": len(self.kept) - before,
            "others": self.statements,
        }

    def _until_painted(self, painted: _PaintCounter, kind: QEvent.Type, number: int) -> float:
        begin, paints = time.perf_counter(), painted.count
        self.bench.post(kind, number)
        while painted.count == paints and time.perf_counter() - begin < 2:
            self.bench.application.processEvents()
        return 1e3 * (time.perf_counter() - begin)


def _at(times: list[float], percent: float) -> float:
    return round(float(np.percentile(times, percent)), 2)


def measure(folder: Path, server: DatabaseServer, seconds: float) -> dict[str, object]:
    from tests.app.window.conftest import make_study

    create = Study.create
    Study.create = lambda *a, **k: create(*a, **k, server=server.address())  # type: ignore[method-assign]
    make_study(folder)
    Study.create = create  # type: ignore[method-assign]
    application = QApplication.instance() or QApplication([])
    assert isinstance(application, QApplication)
    found: dict[str, object] = {"processors": os.cpu_count(), "load before": round(os.getloadavg()[0], 1)}
    with SlowLine(server.port) as line:
        address = read_address(folder)
        write_address(folder, msgspec.structs.replace(address, port=line.port, tls="off"))
        os.environ["PGUSER"] = USER  # the login is kept for the server's own port
        bench = Bench(application, folder)
        session = bench.window.session
        session.sign_in("Dr Anna")
        pen, lesion, reader = Pen(bench), session.lesion_id, session.reader
        assert lesion is not None and reader is not None
        found["whole"] = pen.draw(seconds)
        line.round_trip_s = 0.1
        found["100 ms more"] = pen.draw(seconds)
        line.round_trip_s = 0.0
        line.cut()
        found["cut"] = pen.draw(seconds)
        line.mend()
        bench.until(lambda: session._kept is not None and not session._kept.waiting)
        history = [one.shapes for one in session.study.annotations.history(lesion, reader.id)]
        found["lost"] = sum(shapes not in history for shapes in pen.kept)
        bench.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, database_server() as server:
        os.environ["MARGINALIA_SETTINGS"] = str(Path(place, "settings.ini"))
        os.environ["MARGINALIA_STATE"] = str(Path(place, "state"))
        text = json.dumps(measure(Path(place, "study"), server, options.seconds), indent=1)
    sys.stdout.write(text + "\n")
    if options.json is not None:
        options.json.write_text(text)


if __name__ == "__main__":
    main()
