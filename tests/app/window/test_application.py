"""How the program starts: a window, a sentence where there is no display, and nothing heavy too early."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import main
from app.views.main_window.window import MainWindow
from tests.app.window.conftest import wait_for_picture

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if key not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    kept.pop("QT_QPA_PLATFORM", None)
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=kept | environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems always have a display")
def test_without_a_display_a_sentence_says_so_and_the_exit_code_is_not_0() -> None:
    done = run("main.py")
    assert done.returncode == 2
    assert "no display" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_window_is_up_before_torch_is_loaded() -> None:
    code = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "app = QApplication([])\n"
        "from app.state.session import Session\n"
        "from app.views.main_window.window import MainWindow\n"
        "window = MainWindow(Session()); window.show(); app.processEvents()\n"
        "sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)\n"
    )
    done = run("-c", code, QT_QPA_PLATFORM="offscreen", MARGINALIA_SETTINGS=os.environ["MARGINALIA_SETTINGS"])
    assert done.returncode == 0, done.stderr


def test_only_the_window_needs_qt() -> None:
    code = (
        "import sys, main\n"
        "assert not any(name.split('.')[0] in ('PySide6', 'app') for name in sys.modules)\n"
        "assert main.opens_the_window([]) and not main.opens_the_window(['demo'])\n"
    )
    assert run("-c", code).returncode == 0


def test_main_opens_the_study_that_it_is_given(
    qtbot: QtBot, qapp: QApplication, study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []

    def drive() -> None:
        [window] = [
            found for found in qapp.topLevelWidgets() if isinstance(found, MainWindow) and found.isVisible()
        ]
        wait_for_picture(qtbot, window)
        seen.append(window.session.image_id)
        window.close()
        window.deleteLater()

    QTimer.singleShot(300, drive)
    assert main.main([str(study_folder)]) == 0
    assert seen == ["patient0-CC"]


def test_libraries_that_linux_lacks_are_named_with_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from app.qt.system_libraries import missing_packages, missing_sentence

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    lacking = {"libxcb-icccm.so.4", "libxcb-keysyms.so.1"}
    found = missing_packages(lambda library: library not in lacking)
    assert found == ("libxcb-icccm4", "libxcb-keysyms1")
    assert missing_sentence(found).endswith("sudo apt install libxcb-icccm4 libxcb-keysyms1\n")
    assert missing_packages(lambda library: True) == ()
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    assert missing_packages(lambda library: False) == ()
