"""The program's entry: what opens the window and what does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.cli.main import study_of_demo
from main import opens_the_window

ROOT = Path(__file__).resolve().parents[1]


def test_no_command_and_the_folder_of_a_study_open_the_window(tmp_path: Path) -> None:
    (tmp_path / "study.db").touch()
    assert opens_the_window([])
    assert opens_the_window([str(tmp_path)])
    assert not opens_the_window(["check", str(tmp_path)])


@pytest.mark.parametrize(
    ("arguments", "study"),
    [
        (["demo"], Path("demo-study/study")),
        (["demo", "x", "--seed", "3"], Path("x/study")),
        (["demo", "x", "--no-window"], None),
        (["demo", "x", "--json"], None),
        (["study", "show", "x"], None),
    ],
)
def test_the_demo_alone_leads_on_to_the_window(arguments: list[str], study: Path | None) -> None:
    assert study_of_demo(arguments) == study


def test_an_unknown_command_is_refused_with_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "main.py", "dance"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    [sentence] = done.stderr.splitlines()
    assert "is not a known command" in sentence and "--help" in sentence


@pytest.mark.parametrize("how", ["return 130", "raise KeyboardInterrupt"])
def test_after_an_interrupt_no_library_is_taken_down(how: str) -> None:
    """One that was half imported when Ctrl-C came can end the process with a signal then."""
    code = (
        "import atexit, os, runpy, sys\n"
        "import core.cli.main as command_line\n"
        f"def interrupted(arguments):\n    {how}\n"
        "command_line.run_command_line = interrupted\n"
        "atexit.register(os.abort)\n"
        "print('said before')\n"
        "sys.argv = ['main.py', 'check', 'x']\n"
        "runpy.run_path('main.py', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "said before\n")
