"""The time from a lesion that one reader draws to its row in the worklist of another, in another process.

    python -m tests.benchmarks.bench_two_windows [N] [--offscreen] [--json FILE]

Two windows under an X server of their own (``--offscreen``: without one) on one study, on a real server in a
folder of its own. The first window draws a lesion every two seconds, and notes when the pen leaves; the second
notes when its list shows one more row. Nothing is asserted; the goal is a second on a machine that does nothing
else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QApplication

from app.views.main_window.window import MainWindow

_EVERY_MS = 2000


def draw(folder: Path, lesions: int) -> None:
    """In the first window: draw lesions, and print when each was ended, before it is committed."""
    from app.operations.lesions import add_lesion
    from core.domain.geometry import Box
    from core.domain.shapes import Rectangle

    program, window = _window(folder, "Dr Anna")
    session = window.session
    image = session.study.images.all()[0].id
    for number in range(lesions):
        _let_run(program, _EVERY_MS)
        begun = time.time()
        add_lesion(session, image, Rectangle(box=Box(x0=10 + number, y0=20, x1=60 + number, y1=90)))
        sys.stdout.write(f"{begun}\n")
        sys.stdout.flush()
    session.close_study()
    window.close()


def watch(folder: Path, lesions: int) -> None:
    """In the second window: print when the worklist shows each further row."""
    program, window = _window(folder, "Dr Bert")
    model = window.annotate.worklist.model
    while not model.rowCount():
        _let_run(program, 50)
    before = model.rowCount()
    seen: list[float] = []

    def note() -> None:
        seen.extend([time.time()] * (model.rowCount() - before - len(seen)))

    model.refreshed.connect(note)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while len(seen) < lesions:
        _let_run(program, 50)
    sys.stdout.write("".join(f"{at}\n" for at in seen))
    window.session.close_study()
    window.close()


def _window(folder: Path, name: str) -> tuple[QCoreApplication, MainWindow]:
    from app.state.session import Session

    program = QApplication([])
    window = MainWindow(Session())
    window.resize(1200, 800)
    window.show()
    window.session.open_study(folder)
    window.session.sign_in(name)
    return program, window


def _let_run(program: QCoreApplication, milliseconds: int) -> None:
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        program.processEvents()
        time.sleep(0.002)


def measure(lesions: int, *, offscreen: bool) -> dict[str, object]:
    from core.store.study import Study
    from tests.app.window.conftest import make_study
    from tests.database_server import database_server
    from tests.e2e.test_session import x_server

    with tempfile.TemporaryDirectory() as made, database_server() as server, ExitStack() as stack:
        folder = Path(made, "study")
        create = Study.create
        Study.create = lambda *a, **k: create(*a, **k, server=server.address())  # type: ignore[method-assign]
        make_study(folder)
        environment = os.environ | {"MARGINALIA_SETTINGS": str(Path(made, "settings.ini"))}
        if offscreen:
            environment |= {"QT_QPA_PLATFORM": "offscreen"}
        else:
            environment |= {"QT_QPA_PLATFORM": "xcb", "DISPLAY": stack.enter_context(x_server())}
        command = [sys.executable, "-m", "tests.benchmarks.bench_two_windows", str(lesions), str(folder)]
        watching = subprocess.Popen([*command, "watch"], env=environment, stdout=subprocess.PIPE, text=True)
        assert watching.stdout is not None and watching.stdout.readline() == "ready\n"
        drawn = subprocess.run([*command, "draw"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
        shown, _ = watching.communicate(timeout=120)
    waits = np.array([float(b) - float(a) for a, b in zip(drawn.stdout.split(), shown.split(), strict=True)])
    return {
        "platform": "offscreen" if offscreen else "X",
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "lesions": lesions,
        "median s": round(float(np.median(waits)), 3),
        "p95 s": round(float(np.quantile(waits, 0.95)), 3),
        "longest s": round(float(waits.max()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("lesions", type=int, nargs="?", default=20)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("part", nargs="?", choices=("draw", "watch"))
    parser.add_argument("--offscreen", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.part is not None:
        {"draw": draw, "watch": watch}[arguments.part](arguments.folder, arguments.lesions)
        return
    found = json.dumps(measure(arguments.lesions, offscreen=arguments.offscreen), indent=1)
    sys.stdout.write(found + "\n")
    if arguments.json is not None:
        arguments.json.write_text(found)


if __name__ == "__main__":
    main()
