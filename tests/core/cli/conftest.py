"""Running commands as a user does; the trained study is that of ``tests.trained_study``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import run_command_line
from tests.trained_study import TINY

__all__ = ["TINY"]

Run = Callable[..., Any]


@pytest.fixture
def marginalia(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with --json, expects success and returns the document."""

    def run(*arguments: str | Path) -> Any:
        capsys.readouterr()
        code = run_command_line([*map(str, arguments), "--json", "--quiet"])
        output = capsys.readouterr()
        assert code == 0, output.err
        return json.loads(output.out)

    return run


@pytest.fixture
def misused(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line that cannot be understood and returns the sentence on standard error."""

    def run(*arguments: str | Path) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run_command_line([*map(str, arguments)])
        output = capsys.readouterr()
        assert (stop.value.code, output.out) == (2, "")
        [sentence] = output.err.splitlines()
        assert sentence.startswith("Error: ")
        return sentence.removeprefix("Error: ")

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command, expects a refusal and returns the sentence on standard error."""

    def run(*arguments: str | Path) -> str:
        capsys.readouterr()
        code = run_command_line([*map(str, arguments), "--quiet"])
        output = capsys.readouterr()
        assert code == 1, (code, output.err)
        assert output.out == ""
        assert "Traceback" not in output.err
        sentence = output.err.strip()
        assert sentence.startswith("Error: ")
        assert len(sentence.splitlines()) == 1
        return sentence.removeprefix("Error: ")

    return run
