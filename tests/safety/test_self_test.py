"""The battery that goes with the program: on the user's machine, and where the system is not POSIX."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.tasks.studies import self_test

ROOT = Path(__file__).parents[2]


def test_the_self_test_passes_here_and_writes_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_command_line(["self-test", "--out", str(tmp_path / "out"), "--json", "--quiet"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    assert document["passed"] is True
    assert [outcome["name"] for outcome in document["outcomes"]] == list(self_test.TESTS)
    assert "missing" not in document["parts"].values()
    assert json.loads((tmp_path / "out" / "report.json").read_bytes()) == document
    assert "All checks passed." in (tmp_path / "out" / "report.txt").read_text()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.json", "report.txt"]


def test_a_relative_folder_is_taken_from_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(self_test, "TESTS", {"Strokes": self_test.strokes_survive_kills})
    assert run_command_line(["self-test", "--quiet"]) == 0
    assert capfd.readouterr().err == ""


def test_a_test_that_fails_stops_no_other_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(folder: Path) -> str:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(self_test, "TESTS", {"Broken": broken, "Good": lambda folder: "fine"})
    assert run_command_line(["self-test", "--out", str(tmp_path), "--quiet"]) == 1
    output = capsys.readouterr().out
    assert "FAILED  Broken: ZeroDivisionError: by nothing" in output
    assert "passed  Good: fine" in output


_HIDDEN = """
import importlib, sys
from pathlib import Path
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[name] = None
for path in sorted(Path("core").rglob("*.py")):
    if "versions" not in path.parts:
        importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
from core.tasks.studies.self_test import TESTS
folder = Path(sys.argv[1])
for number, (words, test) in enumerate(TESTS.items()):
    place = folder / str(number)
    place.mkdir()
    print(words, test(place))
"""


def test_core_imports_and_the_short_battery_runs_without_modules_of_posix(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HIDDEN, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == len(self_test.TESTS)
