"""From import to reopening through ``main()`` with real mouse and key events, offscreen and under an X server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from core.domain.study import Window
from core.domain.vocabulary import Laterality, ViewPosition
from core.imaging.write_dicom import Encoding, MammogramHeader, write_mammogram
from core.store.study import Study
from tests.e2e.hand import Report

ROOT = Path(__file__).resolve().parents[2]
WINDOWS = (
    Window(centre=1800, width=2600, explanation="NORMAL"),
    Window(centre=1500, width=1200, explanation="HARDER"),
    Window(centre=1900, width=3600, explanation="SOFTER"),
)


def write_phantom(path: Path, view: ViewPosition, seed: int) -> None:
    """A bright mass with a rough edge in tissue; SYNTHETIC."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:900, :700].astype(np.float64)
    tissue = (x < 520 - (y - 450) ** 2 / 500) * (1200 + rng.normal(0, 40, x.shape))
    angle = np.arctan2(y - 450, x - 230)
    inside = np.hypot(x - 230, y - 450) < 60 + 6 * np.sin(9 * angle)
    pixels = np.clip(tissue + 900 * inside * (tissue > 0), 0, 4095).astype(np.uint16)
    header = MammogramHeader(
        patient_id="PHANTOM",
        laterality=Laterality.LEFT,
        view=view,
        spacing_mm=0.1,
        windows=WINDOWS,
        synthetic=True,
    )
    write_mammogram(path, pixels, header, encoding=Encoding.JPEG_LOSSLESS)


@contextmanager
def x_server() -> Iterator[str]:
    """The name of a display of its own."""
    program = shutil.which("Xvfb")
    if program is None:
        pytest.skip("there is no Xvfb on this computer: the test under an X server needs it")
    read, write = os.pipe()
    command = [program, "-displayfd", str(write), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read) as told:
            number = told.readline().strip()
        try:
            assert number, "Xvfb did not start"
            if not qt_starts(f":{number}"):
                pytest.skip("Qt does not start under an X server: libraries such as libxcb-cursor0 are missing")
            yield f":{number}"
        finally:
            server.terminate()


def qt_starts(display: str) -> bool:
    """Return True if Qt finds its system's libraries for an X server."""
    command = [sys.executable, "-c", "from PySide6.QtGui import QGuiApplication; QGuiApplication([])"]
    environment = os.environ | {"QT_QPA_PLATFORM": "xcb", "DISPLAY": display}
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


def session(name: str, folder: Path, **environment: str) -> Report:
    report = folder / f"{name}.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.hand", name, str(folder), str(report)],
        cwd=ROOT,
        env=os.environ | {"MARGINALIA_SETTINGS": str(folder / "settings.ini"), "LANG": "C"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return msgspec.json.decode(report.read_bytes(), type=Report)


def two_sessions(folder: Path, **environment: str) -> None:
    """Draw and label in the first; everything is there in the second, and in the study."""
    first = session("first", folder, **environment)
    assert first.entries == 2, "one lesion in the first image, none in the second"
    assert first.window == first.second_window
    assert [type(shape).__name__ for shape in first.shapes] == ["Ellipse", "Line", "Line"]
    assert first.undone == (2, 3)
    assert (first.margin, first.category) == ("spiculated", "5")
    with Study.open(folder / "first", writable=False) as study:
        [lesion] = study.lesions.all()
        [reader] = study.readers.all()
        stored = study.annotations.current(lesion.id, reader.id)
        assert stored is not None and stored.shapes == first.shapes
    again = session("again", folder, **environment)
    assert again.shapes == first.shapes
    assert again.mask_sha256 == first.mask_sha256
    assert (again.margin, again.category) == (first.margin, first.category)
    assert again.window == first.window


@pytest.fixture
def phantoms(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    write_phantom(tmp_path / "images" / "a.dcm", ViewPosition.CC, 1)
    write_phantom(tmp_path / "images" / "b.dcm", ViewPosition.MLO, 2)
    return tmp_path


def test_a_session_and_the_next_one(phantoms: Path) -> None:
    two_sessions(phantoms, QT_QPA_PLATFORM="offscreen")


@pytest.mark.slow
def test_a_session_and_the_next_one_under_an_x_server(phantoms: Path) -> None:
    with x_server() as display:
        two_sessions(phantoms, QT_QPA_PLATFORM="xcb", DISPLAY=display)


@pytest.mark.shared
@pytest.mark.parametrize("platform", ["offscreen", "xcb"])
def test_a_session_with_a_real_mammogram(tmp_path: Path, real_mammograms: Path, platform: str) -> None:
    (tmp_path / "images").mkdir()
    shutil.copy(real_mammograms / "dicom" / "GH133.dcm", tmp_path / "images" / "GH133.dcm")
    write_phantom(tmp_path / "images" / "z.dcm", ViewPosition.CC, 1)
    if platform == "offscreen":
        two_sessions(tmp_path, QT_QPA_PLATFORM=platform)
        return
    with x_server() as display:
        two_sessions(tmp_path, QT_QPA_PLATFORM=platform, DISPLAY=display)
