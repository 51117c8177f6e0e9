"""Under an X server with a window manager: the first window is on the screen, has the focus and takes drops."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.e2e.on_x import XReport
from tests.e2e.test_session import ROOT, x_server


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "scale", [pytest.param("1", marks=pytest.mark.slow), "1.5", pytest.param("2", marks=pytest.mark.slow)]
)
def test_the_first_window_lies_on_the_screen_has_the_focus_and_takes_a_folder(tmp_path: Path, scale: str) -> None:
    manager, robot = shutil.which("openbox"), shutil.which("xdotool")
    if manager is None or robot is None:
        pytest.skip("there is no openbox or no xdotool on this computer")
    images = tmp_path / "mammograms"
    images.mkdir()
    with x_server() as display:
        environment = os.environ | {
            "DISPLAY": display, "QT_QPA_PLATFORM": "xcb", "QT_SCALE_FACTOR": scale, "LANG": "C",
            "MARGINALIA_SETTINGS": str(tmp_path / "settings.ini"), "MARGINALIA_STATE": str(tmp_path / "state"),
        }  # fmt: skip
        with subprocess.Popen([manager], env=environment, stderr=subprocess.DEVNULL) as running:
            try:
                command = [sys.executable, "-m", "tests.e2e.on_x", str(images), str(tmp_path / "report.json")]
                done = subprocess.run(
                    command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
                )
            finally:
                running.terminate()
    assert done.returncode == 0, done.stderr
    seen = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=XReport)
    assert seen.framed and seen.inside
    assert seen.active == ("MainWindow", "NewStudyDialog", "MainWindow")
    assert seen.offered == "Let go to import into a new study. You see first what will be imported."
    assert seen.named == "mammograms"
