"""Manners: odd outputs and inputs, Ctrl-C, signs of life, estimates."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from core.cli import console as console_module
from core.cli.console import Console
from core.cli.failures import sentence_for
from core.domain.errors import Cancelled, StudyError
from core.domain.events import Progress
from core.domain.messages import sentence_from
from core.store.study import Study

ROOT = Path(__file__).resolve().parents[3]


def typed(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, str(ROOT / "main.py"), *arguments]
    options: Any = {"stderr": subprocess.PIPE, "text": True, "env": environment, **more}
    return subprocess.run(command, check=False, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_no_defect(trained_study: Path, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = typed("study", "show", str(trained_study), "--quiet", stdout=full, cwd=tmp_path)
    assert done.returncode == 1
    [sentence] = done.stderr.splitlines()
    assert sentence == "Error: The result could not be written to standard output: no space left on device."


def test_a_character_that_the_terminal_lacks_is_no_defect(trained_study: Path, tmp_path: Path) -> None:
    done = typed("study", "show", str(trained_study), "--quiet", stdout=subprocess.PIPE, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u2014 SYNTHETIC DATA" in done.stdout


def test_as_json_an_error_has_the_same_id_whatever_the_names_are(trained_study: Path, tmp_path: Path) -> None:
    told = []
    for name in ("first {wrong} name", "second"):
        done = typed("evaluate", str(trained_study), name, "--json", stdout=subprocess.PIPE, cwd=tmp_path)
        assert done.returncode == 1
        error = json.loads(done.stdout)["error"]
        assert done.stderr == f"Error: {error['sentence']}\n"
        assert name in error["args"].values() and name in error["sentence"] and name not in error["id"]
        assert sentence_from({"id": error["id"], "args": error["args"]}) == error["sentence"]
        told.append(error["id"])
    assert told[0] == told[1] and told[0] in german()


def german() -> dict[str, str]:
    texts: dict[str, str] = json.loads((ROOT / "resources" / "translations" / "de.json").read_text("utf-8"))
    return texts


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EOFError(), "on a terminal"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), "check the network"),
        (TimeoutError(), "check the network"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "/data/x: There is no room"),
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "/data/x: You have no permission"),
        (FileNotFoundError(errno.ENOENT, "No such file", "gone.csv"), "gone.csv does not exist"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "gone.csv"), "is a folder, not a file"),
        (UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range"), "PYTHONUTF8=1"),
        (MemoryError(), "memory"),
    ],
)
def test_what_is_no_fault_of_the_program_has_a_sentence(error: Exception, words: str) -> None:
    sentence = sentence_for(error, ["export", "study", "gone.csv"])
    assert sentence is not None and words in sentence and sentence.endswith(".")


def test_a_file_that_the_user_did_not_name_is_a_fault_of_the_program() -> None:
    assert sentence_for(FileNotFoundError(errno.ENOENT, "No such file", "/lib/x"), ["check", "study"]) is None
    assert sentence_for(KeyError("x"), ["check", "study"]) is None


def test_work_that_asks_nobody_stops_at_ctrl_c_and_says_how_far_it_came(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Console(as_json=False, quiet=True, name="check") as console:
        report = console.progress("check")
        report(300, 1135)
        console._interrupted.set()
        with pytest.raises(Cancelled):
            report(301, 1135)
        console.cancelled_notice()
    assert "check: 300 of 1,135 done" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("as_json", "quiet", "shown"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_a_command_that_is_still_silent_gives_a_sign_of_life(
    as_json: bool, quiet: bool, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console_module, "_ALIVE_AFTER_S", 0.0)
    with Console(as_json=as_json, quiet=quiet, name="prototypes") as console:
        deadline = time.monotonic() + 5
        while shown and not capsys.readouterr().err and time.monotonic() < deadline:
            time.sleep(0.01)
        assert console.cancelled() is False
        assert not shown or time.monotonic() < deadline
    assert capsys.readouterr().err == ""


def test_the_time_left_is_not_estimated_from_the_first_items(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(console_module.time, "monotonic", lambda: now)
    with Console(as_json=True, quiet=True) as console:
        shown = []
        for done, at in ((1, 1000.0), (2, 1000.1), (3, 1002.0), (11, 1010.0), (51, 1050.0)):
            now = at
            shown.append(console._time_left(Progress(stage="import", done=done, total=101)))
    assert shown == ["", "", "", "90 s", "50 s"]


def test_a_demo_is_replaced_only_where_nothing_else_lies(tmp_path: Path) -> None:
    from core.tasks.studies.demo import _remove_demo

    folder = tmp_path / "demo"
    _remove_demo(folder)
    with Study.create(folder / "study", name="People"):
        pass
    with pytest.raises(StudyError, match="not a synthetic study"):
        _remove_demo(folder)
    assert (folder / "study" / "study.db").is_file()
    other = tmp_path / "other"
    with Study.create(other / "study", name="Demo", synthetic=True):
        (other / "thesis.txt").write_text("years of work")
    with pytest.raises(StudyError, match=r"holds thesis\.txt"):
        _remove_demo(other)
    (other / "thesis.txt").unlink()
    _remove_demo(other)
    assert not other.exists()


AVOIDED = re.compile(
    r"\b(judged?|judging|what became of|passed over|at the most|so many|half there|half-written|must hold|may die"
    r"|hold still|nobody says|known are)\b",
    re.IGNORECASE,
)
"""Words that the glossary replaces: evaluate, outcome, ignored, maximum, unfinished, checks, stable."""


def test_the_messages_of_the_command_line_are_plain() -> None:
    """Text literals other than docstrings, which the help pages show and test."""
    found = []
    for path in sorted((ROOT / "core" / "cli").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        own = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        found += [
            f"{path.name}:{node.lineno}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in own
            if AVOIDED.search(node.value)
        ]
    assert found == []
