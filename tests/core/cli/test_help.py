"""Help pages, near names, the words of messages, completion: what can be read without running anything."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.cli.completion import pages, script
from core.cli.main import ALIASES, COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[3]
HEAVY = {"torch", "cv2", "numpy", "scipy", "skimage", "sqlalchemy", "h5py", "matplotlib"}
AVOIDED = re.compile(
    r"\b(judged?|judges|what became of|passed over|at the most|so many|is told|goes home|hears?|precedents?"
    r"|nobody types|must hold|may die|hold still|telling places)\b",
    re.IGNORECASE,
)
"""Words that a reader of the help stumbles over; the glossary gives plain ones."""


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and every one below it, hidden ones too."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from parsers(sub)


EVERY = list(parsers(build_parser((*COMMANDS, *ALIASES))))


@pytest.mark.parametrize("parser", EVERY, ids=lambda parser: parser.prog)
@pytest.mark.parametrize("columns", [80, 140])
def test_every_command_has_a_page_wrapped_to_the_terminal(
    parser: argparse.ArgumentParser, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = parser.format_help()
    assert "Not for clinical use" in " ".join(text.split())
    too_long = [line for line in text.splitlines() if len(line) > columns and " " in line.strip()]
    assert not too_long


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_each_command_has_an_example(command: str) -> None:
    [sub] = build_parser((command,))._subparsers._group_actions[0].choices.values()  # type: ignore[union-attr]
    text = sub.format_help()
    assert "example" in text and "marginalia " in text.split("example", 1)[1]


@pytest.mark.parametrize("parser", EVERY, ids=lambda parser: parser.prog)
def test_every_option_is_explained_in_plain_words(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if action.option_strings and action.help is None:
            pytest.fail(f"{parser.prog} {action.option_strings[0]} has no help")
    found = AVOIDED.findall(parser.format_help())
    assert not found, f"{parser.prog}: {found}"


def test_a_former_name_works_and_is_not_listed() -> None:
    text = build_parser((*COMMANDS, *ALIASES)).format_help()
    for name in ALIASES:
        assert name not in text


def run_and_see_what_is_loaded(calls: list[list[str]], expected: int, heavy: set[str]) -> list[str]:
    """Runs the command lines in a new process; its lines on standard error. Fails if it loads heavy packages."""
    code = (
        "import sys\nfrom core.cli.main import run_command_line\n"
        f"for call in {calls!r}:\n"
        "    try:\n        code = run_command_line(call)\n"
        "    except SystemExit as stop:\n        code = stop.code\n"
        f"    assert code == {expected}, call\n"
        f"heavy = {heavy!r} & set(sys.modules)\nsys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def test_help_imports_none_of_the_heavy_packages() -> None:
    calls = [["--help"], ["train", "--help"], ["reader-study", "import", "--help"], ["completion", "bash"]]
    assert run_and_see_what_is_loaded(calls, 0, HEAVY) == []


def test_names_and_paths_are_looked_up_before_anything_heavy_is_loaded(trained_study: Path) -> None:
    study = str(trained_study)
    calls = [
        ["evaluate", study, "nope"],
        ["predict", study, "nope"],
        ["explain", study, "tiny", "zzz"],
        ["train", study, "--preset", "compakt"],
        ["train", study, "--resume", "nope"],
        ["train", study, "--set", "epochs.joints=3"],
        ["experiment", "table1", "--study", study, "--set", "epochs.joints=3"],
        ["prune", study, "nope", "--history"],
        ["export", study, "--format", "model", "--out", "x"],
        ["model", "import", study, "missing.marginalia-model"],
        ["import", study, "missing"],
        ["evaluate", "no-study", "tiny"],
    ]
    sentences = run_and_see_what_is_loaded(calls, 1, HEAVY - {"numpy"})
    assert len(sentences) == len(calls)
    assert all(sentence.startswith("Error: ") for sentence in sentences)


def test_completion_knows_every_command_option_and_value() -> None:
    found = {page.path: page for page in pages(build_parser())}
    assert set(COMMANDS) <= set(found[()].words)
    assert {"create", "show", "lesions"} <= set(found["study",].words)
    assert found["evaluate",].values["--part"] == ("test", "validation", "training")
    for shell in ("bash", "zsh", "fish"):
        text = script(shell, build_parser())
        assert "reader-study" in text and "marginalia" in text


def test_bash_completes(tmp_path: Path) -> None:
    file = tmp_path / "completion.sh"
    file.write_text(script("bash", build_parser()))
    lines = (
        f"source {file}\n"
        'complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _marginalia; echo "${COMPREPLY[@]}"; }\n'
        "complete_words marginalia tra\n"
        "complete_words marginalia study cr\n"
        "complete_words marginalia evaluate --part va\n"
        "complete_words marginalia reader-study make --ru\n"
    )
    done = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["train", "create", "validation", "--run"]


TYPED = (
    "marginalia tra",
    "marginalia study cr",
    "marginalia evaluate --part va",
    "marginalia reader-study make --ru",
)
COMPLETED = ("train", "create", "validation", "--run")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(tmp_path: Path) -> None:
    file = tmp_path / "marginalia.fish"
    file.write_text(script("fish", build_parser()))
    lines = f"source {file}\n" + "".join(f"complete -C '{typed}'\n" for typed in TYPED)
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", lines], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == list(COMPLETED)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(tmp_path: Path) -> None:
    """As a person types it: words and Tab go to a zsh on a pseudo terminal, which echoes what it completes."""
    file = tmp_path / "_marginalia"
    file.write_text(script("zsh", build_parser()))
    steps = (
        "zmodload zsh/zpty; zpty z zsh -f -i\n"
        f"zpty -w z \"autoload -Uz compinit && compinit -u -D; source {file}; print RE''ADY\"\n"
        "zpty -r -m z seen '*READY*'\n"
    )
    for typed, completed in zip(TYPED, COMPLETED, strict=True):
        whole = f"{typed.rpartition(' ')[0]} {completed}"
        steps += f"zpty -n -w z '{typed}'$'\\t'; zpty -r -m z seen '*{whole}*'\n"
        steps += f"zpty -n -w z $'\\x15'; print -- '{completed}'\n"
    done = subprocess.run(["zsh", "-f", "-c", steps], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == list(COMPLETED)
