"""A disk that takes nothing more while somebody draws: a banner, nothing lost, and on when there is room."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.store.study import Study
from tests.app.window.conftest import make_study

ROOT = Path(__file__).resolve().parents[3]


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def can_mount() -> bool:
    if not is_root() or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


def forbids_writing(folder: Path) -> bool:
    """Whether files here can be made such that even who has them open cannot write them."""
    if not is_root() or shutil.which("chattr") is None:
        return False
    probe = folder / "probe"
    with probe.open("wb", buffering=0) as file:
        if subprocess.run(["chattr", "+i", str(probe)], capture_output=True, check=False).returncode:
            return False
        try:
            file.write(b"x")
        except OSError:
            return True
        finally:
            subprocess.run(["chattr", "-i", str(probe)], check=True)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="fills a disk as Linux does")
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_drawing_waits_while_the_disk_takes_nothing_and_goes_on_by_itself(tmp_path: Path, how: str) -> None:
    if how == "read-only" and not forbids_writing(tmp_path):
        pytest.skip("needs root, and a file system that has immutable files")
    if how == "full" and not can_mount():
        how = "limit"
    make_study(tmp_path / "study", patients=1)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [sys.executable, "-m", "tests.app.window.disk_hand", how, str(disk)]
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "MARGINALIA_SETTINGS": str(tmp_path / "settings.ini"),
        "MARGINALIA_STATE": str(tmp_path / "state"),
    }
    done = subprocess.run(
        ["unshare", "-m", *command] if how == "full" else command,
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["acknowledged"] >= 1
    assert "drawing is paused" in seen["said"] and ("full" in seen["said"] or "read-only" in seen["said"])
    assert seen["paused"] and seen["waited"] and seen["unsaved"] == 1 and not seen["modal"]
    # the stroke that was refused is there, and the next one after it
    assert seen["kept"] and seen["resumed"] == seen["acknowledged"] + 1
    assert seen["after"] == seen["resumed"] + 1 and seen["stored"]
    if how != "full":  # the other disk is gone with its namespace
        with Study.open(disk / "study") as study:
            lesion = study.lesions.all()[0]
            [reader] = study.readers.all()
            stored = study.annotations.current(lesion.id, reader.id)
            assert stored is not None and len(stored.shapes) == seen["after"]
            assert study.audit.verify().good
