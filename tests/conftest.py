"""Every test fails on a leaked thread; warnings are errors (pyproject)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# tests share the cores with each other and with the trainings they start: threads that spin while they wait for
# the others of their team would keep those from coming
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        leaked = [t for t in threading.enumerate() if t not in before and t.is_alive() and not _is_pool(t)]
        if not leaked:
            return
        time.sleep(0.01)
    pytest.fail(f"the test leaked threads: {[thread.name for thread in leaked]}")


def _is_pool(thread: threading.Thread) -> bool:
    """Threads of libraries that live as long as the process: tqdm's monitor, torch's pin-memory thread."""
    return thread.name.startswith(("pydevd", "tqdm", "Thread-tqdm"))


@pytest.fixture(scope="session", autouse=True)
def _own_state(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes what the program keeps of the user of this computer."""
    os.environ["MARGINALIA_STATE"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def real_mammograms() -> Path:
    """The folder of real mammograms that lies beside the project; tests that need it are marked ``shared``."""
    folder = Path(os.environ.get("MARGINALIA_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real mammograms at {folder}; set MARGINALIA_DATA")
    return folder


pytest_plugins = ["tests.database_server", "tests.trained_study"]
