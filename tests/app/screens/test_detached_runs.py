"""A training and the window: whichever is closed or killed, the other goes on, says so and loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from app.views.main_window.window import MainWindow
from core.domain.study import RunStatus
from core.jobs import detached
from core.jobs.detached import EVENTS, follow, is_alive
from core.store.study import Study
from core.tasks.runs.detached_runs import unsettled
from tests.app.screens.test_train import run_named, set_tiny

ROOT = Path(__file__).resolve().parents[3]
LONG = ("epochs.joint=400", "epochs.project_every=400")
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@pytest.fixture
def begun(qtbot: QtBot, window: MainWindow, own_study: Path) -> Iterator[MainWindow]:
    """A training that would take long, past its first epoch."""
    window.open_study(own_study)
    window.actions_["workspace.train"].trigger()
    qtbot.waitUntil(lambda: window.train.plan.data.table.rowCount() > 0, timeout=30_000)
    set_tiny(window, *LONG)
    window.train.plan.name.setText("long")
    qtbot.mouseClick(window.train.plan.start, Qt.MouseButton.LeftButton)
    training = window.training
    qtbot.waitUntil(lambda: training.job is not None and len(training.job.metrics) >= 2, timeout=120_000)
    yield window
    training.stop_all()


def folder_of(window: MainWindow, name: str = "long") -> Path:
    run = run_named(window, name)
    assert run is not None
    return window.session.study.run_folder(run.id)


def answer(text: str) -> None:
    """Press this button of the question that comes next."""

    def press() -> None:
        for box in QApplication.topLevelWidgets():
            if isinstance(box, QMessageBox) and box.isVisible():
                next(button for button in box.buttons() if button.text() == text).click()
                return
        QTimer.singleShot(20, press)

    QTimer.singleShot(20, press)


def pid_of(folder: Path) -> int:
    return next(event.pid for event in detached.EventTail(folder / EVENTS).read() if hasattr(event, "pid"))


def test_the_study_is_closed_the_training_goes_on_and_is_found_again(
    qtbot: QtBot, begun: MainWindow, own_study: Path
) -> None:
    folder = folder_of(begun)
    answer("Cancel")
    begun.actions_["study.close"].trigger()
    assert begun.session.is_open
    answer("Let it continue")
    begun.actions_["study.close"].trigger()
    assert not begun.session.is_open
    assert is_alive(folder)
    begun.open_study(own_study)
    training = begun.training
    assert training.running
    assert training.job is not None
    assert training.job.run.name == "long"
    qtbot.waitUntil(lambda: training.job is not None and len(training.job.metrics) >= 3, timeout=60_000)
    begun.actions_["workspace.train"].trigger()
    assert begun.train.job.title.text() == "long is being trained"
    answer("Stop it")
    begun.actions_["study.close"].trigger()
    assert not begun.session.is_open
    assert not is_alive(folder)
    with Study.open(own_study) as study:
        found = study.runs.find("long")
        assert found is not None
        assert found.status is RunStatus.CANCELLED


@posix
def test_a_killed_job_is_told_and_resumed(qtbot: QtBot, begun: MainWindow) -> None:
    folder = folder_of(begun)
    os.kill(pid_of(folder), signal.SIGKILL)
    qtbot.waitUntil(lambda: not begun.training.running, timeout=30_000)
    assert "signal 9" in begun.train.job.problem.text()
    assert begun.train.job.problem.isVisible()
    epochs = len(begun.train._history(run_named(begun, "long")))  # type: ignore[arg-type]
    qtbot.mouseClick(begun.train.job.resume, Qt.MouseButton.LeftButton)
    training = begun.training
    qtbot.waitUntil(lambda: training.running, timeout=60_000)
    qtbot.waitUntil(lambda: training.job is not None and bool(training.job.metrics), timeout=60_000)
    assert training.job is not None
    assert training.job.metrics[0].epoch >= 1
    assert len(training.job.metrics) + epochs >= 3
    assert begun.train.job.problem.text() == ""


WINDOW = """
import sys
from pathlib import Path
from PySide6.QtWidgets import QApplication
application = QApplication([])
from app.state.session import Session
from app.views.main_window.window import MainWindow
from core.tasks.runs.configure import configure
from app.services.training_service import PlanRequest
window = MainWindow(Session())
window.show()
window.studies.open_trusted(Path(sys.argv[1]))
config = configure("compact", label="margin", seed=1, changes=sys.argv[2:])
window.training.plan(PlanRequest(config=config, name="left"))
while window.training.job is None or not window.training.job.metrics:
    application.processEvents()
print("training", flush=True)
application.exec()
"""


@posix
def test_the_window_is_killed_and_the_finished_training_is_in_the_study_at_the_next_start(
    qtbot: QtBot, window: MainWindow, own_study: Path
) -> None:
    from tests.trained_study import TINY

    command = [sys.executable, "-c", WINDOW, str(own_study), *TINY, "epochs.joint=4"]
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "training\n"
        other.kill()
    with Study.open(own_study, writable=False) as study:
        [run] = unsettled(study)
    assert follow(own_study / run.folder, emit=lambda event: None) is not None  # to its end, without a window
    window.open_study(own_study)
    qtbot.waitUntil(lambda: window.status.message == "left is finished", timeout=60_000)
    assert window.session.study.runs.get(run.id).status is RunStatus.FINISHED
    assert window.session.study.models.active(run.id) is not None
