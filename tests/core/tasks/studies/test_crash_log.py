"""What is kept of a defect says where, and nothing of a patient; it is found when the program is gone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.domain.errors import Cancelled, StudyError
from core.domain.messages import message
from core.platform.crash import ELSEWHERE, incident_of, incident_of_trace, place_of, report_text
from core.tasks.studies.crash_log import CrashLog, left_reports

ROOT = Path(__file__).resolve().parents[4]
CANARY = "KANARIE^MARIA"


def fails(name: str) -> None:
    try:
        raise FileNotFoundError(2, "No such file", f"/home/{CANARY}/{name}.dcm")
    except OSError as error:
        raise ValueError(f"the image of {name} is bad") from error


def defect() -> ValueError:
    with pytest.raises(ValueError, match="is bad") as caught:
        fails(CANARY)
    return caught.value


def test_an_incident_has_classes_and_places_and_no_words_of_the_error() -> None:
    incident = incident_of(defect(), where="window", at_utc="2026-01-01T00:00:00")
    assert incident.kinds == ("FileNotFoundError 2", "ValueError")
    assert incident.frames[-1].function == "fails"
    assert incident.frames[-1].file == "tests/core/tasks/studies/test_crash_log.py"
    assert CANARY not in repr(incident)


def test_places_outside_the_program_are_not_named() -> None:
    assert place_of(f"/home/{CANARY}/python3.11/secret.py") == ELSEWHERE
    assert place_of(f"/home/{CANARY}/site-packages/secret.py") == ELSEWHERE
    assert place_of(str(ROOT / "core" / "platform" / "crash.py")) == "core/platform/crash.py"
    assert place_of(threading.__file__) == "threading.py"
    assert place_of(pytest.__file__) == "pytest/__init__.py"


@pytest.mark.parametrize("newer_threads_first", [False, True])
def test_of_a_trace_only_lines_of_the_thread_that_died_are_taken(newer_threads_first: bool) -> None:
    died = (
        "Current thread 0x00007f (most recent call first):\n"
        f'  File "/home/{CANARY}/a.py", line 3 in inner\n  File "{ROOT}/app/state/session.py", line 7 in outer\n'
    )
    other = f'Thread 0x00007e (most recent call first):\n  File "{ROOT}/core/tasks/runs/splits.py", line 9 in b\n'
    threads = (other, died) if newer_threads_first else (died, other)
    text = (
        f"{CANARY}\nFatal Python error: Segmentation fault\n\n" + "\n".join(threads) + "\n"
        f"Extension modules: numpy, {CANARY} (total: 2)\n"
    )
    incident = incident_of_trace(text, at_utc="now")
    assert incident is not None
    assert incident.kinds == ("Segmentation fault",)
    assert [(frame.file, frame.line) for frame in incident.frames] == [("app/state/session.py", 7), (ELSEWHERE, 3)]
    assert CANARY not in repr(incident)
    assert incident_of_trace(f"{CANARY}\n", at_utc="now") is None


def test_a_program_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    log = CrashLog(tmp_path)
    assert left_reports(tmp_path) == (), "it lives"
    for wish in (StudyError(message("no study")), Cancelled(), KeyboardInterrupt(), SystemExit(1)):
        assert log.note(wish, where="window") is None
    log.close()
    log.close()
    assert list(tmp_path.iterdir()) == []


def test_defects_of_a_program_that_ended_well_wait_to_be_seen(tmp_path: Path) -> None:
    log = CrashLog(tmp_path, qt="6.11")
    for _ in range(30):
        log.note(defect(), where="thread import")
    log.close()
    [left] = left_reports(tmp_path)
    assert left.report.ended and len(left.report.incidents) == 20
    assert "FileNotFoundError 2, then ValueError" in left.text and "Qt 6.11" in left.text
    assert "without being closed" not in left.text and CANARY not in left.text
    left.delete()
    assert list(tmp_path.iterdir()) == []


_DIES = """
import os, sys
from pathlib import Path
from core.tasks.studies.crash_log import CrashLog
log = CrashLog(Path(sys.argv[1]))
if sys.argv[2] == "noted":
    try:
        raise KeyError("KANARIE^MARIA")
    except KeyError as error:
        log.note(error, where="window")
if sys.argv[2] == "killed":
    os.kill(os.getpid(), 9)
import ctypes
def inner():
    ctypes.string_at(0)
inner()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="dies as POSIX does")
@pytest.mark.parametrize(
    ("how", "kinds"),
    [("noted", ["KeyError", "Segmentation fault"]), ("killed", []), ("native", ["Segmentation fault"])],
)
def test_however_a_program_dies_its_report_is_found(tmp_path: Path, how: str, kinds: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path), how], cwd=ROOT, check=False)
    assert done.returncode < 0
    [left] = left_reports(tmp_path)
    assert [kind for incident in left.report.incidents for kind in incident.kinds] == kinds
    assert left.text.endswith("The program ended without being closed.\n")
    assert CANARY not in left.text and CANARY.encode() not in left.path.read_bytes()
    if how == "native":
        assert left.report.incidents[-1].frames[-2].function == "inner"
    left.delete()
    assert list(tmp_path.iterdir()) == []


def test_old_reports_do_not_pile_up(tmp_path: Path) -> None:
    for number in range(14):
        log = CrashLog(tmp_path)
        log.note(defect(), where="window")
        log.close()
        for path in tmp_path.glob("2*.json"):
            path.rename(tmp_path / f"1{number:03}.json")
    assert len(left_reports(tmp_path)) == 10
    assert sorted(path.name for path in tmp_path.iterdir())[0] == "1004.json"


def test_a_report_that_is_none_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    assert left_reports(tmp_path) == ()
    assert left_reports(tmp_path / "nowhere") == ()


def test_the_text_is_all_of_the_report(tmp_path: Path) -> None:
    log = CrashLog(tmp_path)
    log.note(defect(), where="window")
    text = report_text(log.report)
    assert "tests/core/tasks/studies/test_crash_log.py" in text and log.report.version in text
    log.close()
