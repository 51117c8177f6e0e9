"""What goes wrong in the program is kept without patient data, shown whole, and offered at the next start."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from pytestqt.qtbot import QtBot

from app.application import _watch
from app.qt.background import Background
from app.views.dialogs.crash_report import CrashReportDialog
from app.views.dialogs.recovery import RecoveryDialog
from app.views.main_window.window import MainWindow
from app.widgets.label import Label
from core.domain.errors import StudyError
from core.domain.messages import message
from core.tasks.studies.crash_log import crash_folder, left_reports
from tests.app.window.conftest import wait_for_picture
from tests.app.window.test_killed import HAND

ROOT = Path(__file__).resolve().parents[3]
CANARY = "KANARIE^MARIA"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))


@pytest.fixture
def watched(window: MainWindow) -> Iterator[MainWindow]:
    stop = _watch(window)
    yield window
    stop()


def defect() -> None:
    raise KeyError(f"/home/{CANARY}/a.dcm")


def report_shown(window: MainWindow) -> CrashReportDialog:
    window.banner._act()
    [dialog] = [found for found in window.findChildren(CrashReportDialog) if found.isVisible()]
    return dialog


def test_a_defect_in_a_slot_is_told_and_the_window_goes_on(
    qtbot: QtBot, window: MainWindow, tmp_path: Path
) -> None:
    with qtbot.captureExceptions() as caught:
        stop = _watch(window)
        QTimer.singleShot(0, window, defect)
        qtbot.waitUntil(lambda: "went wrong in the program itself" in window.banner.text)
        stop()
    assert [kind for kind, _, _ in caught] == [KeyError]
    dialog = report_shown(window)
    text = dialog.text.toPlainText()
    assert "KeyError" in text and "tests/app/window/test_crash_reports.py" in text
    assert CANARY not in text
    assert list(tmp_path.glob("*.txt")) == [], "nothing is saved before it was seen"
    dialog.save_to(tmp_path / "copy.txt")
    assert (tmp_path / "copy.txt").read_text("utf-8") == text
    dialog.save_to(tmp_path / "nowhere" / "a.txt")
    assert dialog.problem.text()
    dialog.accept()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_defects_of_threads_and_of_work_beside_the_window_are_told(qtbot: QtBot, watched: MainWindow) -> None:
    thread = threading.Thread(target=defect, name="loose")
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: "went wrong" in watched.banner.text)
    work = Background(name="pictures")
    with qtbot.waitSignal(work.done):
        work.submit("a", defect)
    with qtbot.waitSignal(work.done):
        work.submit("b", lambda: (_ for _ in ()).throw(StudyError(message("a sentence for the user"))))
    work.stop()
    dialog = report_shown(watched)
    text = dialog.text.toPlainText()
    assert "thread loose: KeyError" in text and "thread pictures: KeyError" in text
    assert "StudyError" not in text and CANARY not in text
    dialog.accept()


_CRASHES = """
import ctypes, sys
from PySide6.QtCore import QTimer
import app.views.main_window.window as module

def crash():
    name = "KANARIE^MARIA"
    ctypes.string_at(0)

class Crashing(module.MainWindow):
    def show(self):
        super().show()
        QTimer.singleShot(0, self, crash)

module.MainWindow = Crashing
from app.application import main
main([])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="dies as POSIX does")
def test_a_crash_of_native_code_is_offered_at_the_next_start_until_it_is_deleted(window: MainWindow) -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", _CRASHES], cwd=ROOT, env=environment, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == -11, done.stderr
    assert len(left_reports(crash_folder())) == 1
    for _ in range(2):  # looked at and kept, it is offered again
        stop = _watch(window)
        assert "ended unexpectedly last time" in window.banner.text
        dialog = report_shown(window)
        text = dialog.text.toPlainText()
        assert "Segmentation fault" in text and "ctypes/__init__.py" in text and " crash" in text
        assert CANARY not in text
        dialog.accept()
        stop()
    stop = _watch(window)
    report_shown(window).delete.click()
    stop()
    assert left_reports(crash_folder()) == ()
    assert [path.name for path in crash_folder().iterdir()] == []
    stop = _watch(window)
    assert window.banner.text == ""
    stop()


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_after_a_kill_the_study_says_what_was_recovered(
    qtbot: QtBot, window: MainWindow, study_folder: Path
) -> None:
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    command = [sys.executable, "-c", HAND, str(study_folder)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.kill()
    window.open_study(study_folder)
    wait_for_picture(qtbot, window)
    assert "was not closed properly last time" in window.banner.text
    window.banner._act()
    [dialog] = [found for found in window.findChildren(RecoveryDialog) if found.isVisible()]
    words = " ".join(label.text() for label in dialog.findChildren(Label))
    assert "annotation changes of that session are saved" in words
    dialog.reject()
    window.studies.close()
    window.open_study(study_folder)
    assert window.banner.text == ""
