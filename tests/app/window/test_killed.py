"""A program that is killed while somebody draws loses at most the stroke under the pen."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.store.study import Study
from tests.app.window.conftest import make_study

ROOT = Path(__file__).resolve().parents[3]

HAND = """
import sys
from pathlib import Path
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication

application = QApplication([])
from app.state.session import Session
from app.views.main_window.window import MainWindow

window = MainWindow(Session())
window.resize(900, 700)
window.show()
window.open_study(Path(sys.argv[1]))
while window.annotate.shown is None:
    application.processEvents()
window.actions_["tool.freehand"].trigger()
view, left, none = window.annotate.view, Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


def send(kind, x, y, button, buttons):
    place = view.sight.to_widget((x, y))
    where = QPointF(view.mapToGlobal(place))
    application.postEvent(view, QMouseEvent(kind, place, where, button, buttons, Qt.KeyboardModifier.NoModifier))


for number in range(10_000):
    y = 60 + number * 7 % 350
    send(QEvent.Type.MouseButtonPress, 40, y, left, left)
    for x in (60, 90, 130, 160):
        send(QEvent.Type.MouseMove, x, y + x % 9, none, left)
    send(QEvent.Type.MouseButtonRelease, 160, y, left, none)
    application.processEvents()
    # what is shown after the release is acknowledged
    print(len(window.annotate.document.shapes), flush=True)
"""


@pytest.mark.parametrize("times", [1, pytest.param(100, marks=pytest.mark.slow)])
def test_every_acknowledged_stroke_is_there_after_a_kill(tmp_path: Path, times: int) -> None:
    folder = make_study(tmp_path / "study", patients=1)
    random.seed(times)
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    for _ in range(times):
        with subprocess.Popen(
            [sys.executable, "-c", HAND, str(folder)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            acknowledged = 0
            for _ in range(random.randint(1, 12)):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split()
            acknowledged = int(rest[-1]) if rest else acknowledged
        with Study.open(folder) as study:
            reader = study.readers.all()[0]
            stored = study.annotations.current("lesion-patient0-CC", reader.id)
            assert stored is not None
            assert acknowledged <= len(stored.shapes) <= acknowledged + 1
            assert study.database_problems() == ()
