"""Deaths, full disks and read-only places (safety.md: B-01, B-05, B-06)."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import event

from core.domain.errors import StorageFullError, StudyError
from core.store.database import Database
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing, picture
from tests.safety.kept import go_on

ROOT = Path(__file__).parents[3]


def _kills(folder: Path, times: int, seed: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.core.store.killed", str(folder), str(times), str(seed)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Counter(json.loads(done.stdout))


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    assert _kills(tmp_path / "s", 40, 5)["kills"] == 40


@pytest.mark.safety_full
@pytest.mark.timeout(0)
@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
def test_nothing_acknowledged_is_lost_in_two_thousand_kills(tmp_path: Path) -> None:
    """Fifty in each study: every reopening looks at all that was ever acknowledged in it."""
    counted = go_on("B-01", 40, lambda number: _kills(tmp_path / str(number), 50, 100 + number))
    assert counted["kills"] == 2000
    assert counted["most ms to reopen"] < 2000


def _limit_pages(study: Study, pages: int) -> None:
    """Let the database be full, as on a full disk, for connections made from now on."""
    database: Database = study._database
    database._engine.dispose()

    @event.listens_for(database._engine, "connect")
    def limit(connection: sqlite3.Connection, record: object) -> None:
        used = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={used + pages}")


def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(study: Study) -> None:
    add_case(study, 1)
    reader = study.readers.ensure("Dr A")
    study.annotations.commit("l1", reader.id, drawing(1))
    _limit_pages(study, 2)
    before = study.audit.count()
    with pytest.raises(StorageFullError, match=r"study\.db .*disk is full"):
        study.annotations.commit("l1", reader.id, drawing(2) * 2000)
    assert len(study.annotations.history("l1", reader.id)) == 1
    assert study.audit.count() == before
    assert study.annotations.commit("l1", reader.id, drawing(3)).revision == 2, "work goes on"
    assert study.audit.verify().good


def test_a_full_disk_in_a_batch_takes_back_the_batch_also_where_it_is_caught(study: Study) -> None:
    _limit_pages(study, 3)
    with pytest.raises(StorageFullError), study.batch():
        for number in range(200):
            with contextlib.suppress(StorageFullError):
                add_case(study, number, pixels=False)
    assert study.patients.count() == 0
    assert study.audit.verify().good


def test_a_full_disk_in_a_batch_takes_back_the_batch(study: Study) -> None:
    _limit_pages(study, 3)
    with pytest.raises(StorageFullError), study.batch():
        for number in range(200):
            add_case(study, number, pixels=False)
    assert study.patients.count() == 0


_LIMITED = """
import resource, signal, sys
from pathlib import Path
from core.domain.errors import StorageFullError
from core.store.study import Study
from tests.core.store.helpers import picture
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Study.open(Path(sys.argv[1])) as study:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    try:
        study.arrays.write_pixels("big", picture(rows=400, columns=400))
    except StorageFullError as error:
        print(error)
    assert not study.arrays.has_pixels("big")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files as POSIX does")
def test_pixels_that_do_not_fit_are_not_half_there(tmp_path: Path) -> None:
    Study.create(tmp_path / "s", name="s").close()
    command = [sys.executable, "-c", _LIMITED, str(tmp_path / "s")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "big.h5 could not be written" in done.stdout
    assert list((tmp_path / "s" / "pixels").iterdir()) == []


_AS_NOBODY = """
import os, sys
from pathlib import Path
from core.store.study import Study
Study.open(Path(sys.argv[1]), writable=False).arrays.read_pixels("i1")  # the interpreter may be root's alone
os.setgid(65534); os.setuid(65534)
try:
    Study.open(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
with Study.open(Path(sys.argv[1]), writable=False) as study:
    print(study.info.name, study.lesions.count(), study.arrays.read_pixels("i1").shape)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_study_that_one_may_only_read_opens_for_reading(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with Study.create(folder, name="Shown") as study:
        add_case(study, 1)
    for place in (folder, *tmp_path.parents, tmp_path):
        if place != Path("/") and "pytest" in str(place):
            place.chmod(0o755)
    for place in folder.rglob("*"):  # which the user alone can read until they share it
        place.chmod(0o755 if place.is_dir() else 0o644)
    command = [sys.executable, "-c", _AS_NOBODY, str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("StorageFullError study.lock could not be written")
    assert done.stdout.splitlines()[1] == "Shown 1 (40, 30)"


_HIDDEN = """
import sys
sys.modules["fcntl"] = sys.modules["resource"] = None
from pathlib import Path
from core.domain.errors import StudyLockedError
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing
with Study.create(Path(sys.argv[1]), name="s") as study:
    add_case(study, 1)
    study.annotations.commit("l1", study.readers.ensure("A").id, drawing(1))
    try:
        Study.open(Path(sys.argv[1]))
    except StudyLockedError:
        print("locked")
with Study.open(Path(sys.argv[1])) as study:
    print(study.lesions.count(), study.arrays.read_pixels("i1").shape)
"""


def test_a_study_works_where_the_system_is_not_posix(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HIDDEN, str(tmp_path / "s")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["locked", "1 (40, 30)"]


def test_nothing_is_left_of_a_study_that_was_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.store.location.make_database", full)
    with pytest.raises(StorageFullError, match="disk is full"):
        Study.create(tmp_path / "s", name="s")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageFullError, match="disk is full"):
        Study.create(tmp_path / "empty", name="s")
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_written_study_needs_no_log_beside_it(tmp_path: Path) -> None:
    with Study.create(tmp_path / "s", name="s") as study:
        add_case(study, 1)
        study.arrays.write_derived("d", {"x": picture()})
    left = sorted(path.name for path in (tmp_path / "s").iterdir())
    assert left == ["derived", "pixels", "runs", "study.db", "study.lock"]
    with pytest.raises(StudyError), Study.open(tmp_path / "s", writable=False) as reading:
        reading.audit.record("a", "b")
