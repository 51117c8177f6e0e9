"""What the README says to type can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from core.cli.main import COMMANDS, build_parser

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", README, re.S) for line in block.splitlines()]
TYPED = [line.split("main.py", 1)[1].strip() for line in LINES if "main.py" in line]


@pytest.mark.parametrize("typed", TYPED)
def test_every_command_of_the_readme_is_understood(typed: str) -> None:
    arguments = shlex.split(typed, comments=True)
    if arguments:
        build_parser().parse_args(arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_table_names_every_command(command: str) -> None:
    table = [line for line in README.splitlines() if line.startswith("| `")]
    assert any(re.search(rf"`{command}[ `]", line.split("|")[1]) for line in table)
