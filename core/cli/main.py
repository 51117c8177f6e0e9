"""The command line: one command for each capability, each with its own help page.

Exit codes: 0 success; 1 refused, failed, or a check that found something wrong; 2 a command line that cannot be
understood; 3 an internal error; 130 cancelled with Ctrl-C. An error is one sentence on standard error; ``--json``
puts one JSON document on standard output and nothing else. Heavy packages are imported by a command when it runs,
never to print help, and after the names that were given have been looked up.
"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from core.cli.console import Console
from core.cli.failures import sentence_for
from core.cli.output import add_output
from core.cli.parsing import LEAF, PROGRAM, USAGE, Parser, add_leaf, unexpected
from core.domain.errors import Cancelled
from core.domain.messages import message
from core.domain.vocabulary import DISCLAIMER

COMPUTING = frozenset({"demo", "evaluate", "experiment", "explain", "predict", "prototypes", "train", "validate"})
"""Commands whose process computes with a network or trains one."""
COMMANDS = (
    "demo",
    "phantom",
    "study",
    "import",
    "pacs",
    "assign",
    "consensus",
    "split",
    "train",
    "run",
    "predict",
    "evaluate",
    "validate",
    "explain",
    "prototypes",
    "prune",
    "steer",
    "reader-study",
    "experiment",
    "export",
    "model",
    "deidentify",
    "check",
    "backup",
    "restore",
    "forget",
    "self-test",
    "weights",
    "hosts",
    "launchers",
    "job",
    "completion",
)
"""In the order of the work; each is a module of ``core.cli.commands``."""
ALIASES = {"import-model": "model import"}
"""Former names, which are kept for one version and left out of the help."""

_MODULES = {
    "import": "import_images",
    "import-model": "import_model",
    "self-test": "self_test",
    "reader-study": "reader_study",
}

_TAKES_OPTIONS = "--slurm"
REFUSED, INTERNAL, INTERRUPTED = 1, 3, 130
"""Exit codes beside 0 (success) and 2 (``USAGE``). 130 after Ctrl-C is what shells expect."""


class CliCommand(Protocol):
    """The interface of a module of ``core.cli.commands``.

    A module with names or paths among its arguments also has ``look_up(arguments)``. It refuses unknown ones
    without importing anything heavy."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, console: Console) -> int: ...


def _command(name: str) -> CliCommand:
    return cast(CliCommand, import_module(f"core.cli.commands.{_MODULES.get(name, name)}"))


class _VersionAction(argparse.Action):
    """The action that prints the version; it looks the version up only on request."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from core.platform.version import code_version

        parser.exit(0, f"{PROGRAM} {code_version()}\n")


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser with these commands; each further one costs the import of its module."""
    parser = Parser(
        prog=PROGRAM,
        description="Marginalia: annotate breast-mass margins, train an interpretable classifier (IAIA-BL) on "
        "them, and review and prune what it has learned. Without a command the window opens.",
        epilog=f"Add --help to any command for all options. {DISCLAIMER}",
    )
    parser.add_argument("--version", action=_VersionAction, nargs=0, help="print the version and stop")
    commands = parser.add_subparsers(dest="command", metavar="command", parser_class=Parser)
    for name in names:
        command = _command(name)
        sub = add_leaf(
            commands, name, text=command.HELP, description=command.__doc__ or command.HELP, hidden=name in ALIASES
        )
        command.add_arguments(sub)
        add_output(sub)
    return parser


def parse(arguments: Sequence[str]) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """The arguments of a command line; SystemExit with code 2 where they cannot be understood."""
    named = [name for name in arguments[:1] if name in COMMANDS or name in ALIASES]
    parser = build_parser(named or COMMANDS)
    parsed, extras = parser.parse_known_args(_with_options_as_values(arguments))
    if extras:
        unexpected(getattr(parsed, LEAF, parser), extras)
    return parser, parsed


def _with_options_as_values(arguments: Sequence[str]) -> list[str]:
    """``--slurm --gres=gpu:1`` as ``--slurm=--gres=gpu:1``: its value is an option of another program."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] == _TAKES_OPTIONS:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def study_of_demo(arguments: list[str]) -> Path | None:
    """The study that a demo command made and that the window should show; None for any other command."""
    if arguments[:1] != ["demo"]:
        return None
    parsed = build_parser(("demo",)).parse_args(arguments)
    if parsed.json or parsed.no_window:
        return None
    return Path(parsed.folder, "study")


def run_command_line(arguments: list[str]) -> int:
    """Run one command and return its exit code; 0 only for success."""
    parser, parsed = parse(arguments)
    if parsed.command is None:
        parser.print_help()
        return USAGE
    with Console(as_json=parsed.json, quiet=parsed.quiet, name=parsed.command) as console:
        try:
            command = _command(parsed.command)
            look_up = getattr(command, "look_up", None)
            if look_up is not None:
                look_up(parsed)
            if parsed.command in ALIASES:
                console.note(f"{parsed.command!r} is now {ALIASES[parsed.command]!r}; the old name still works.")
            return command.run(parsed, console)
        except (Cancelled, KeyboardInterrupt):
            console.cancelled_notice()
            return INTERRUPTED
        except Exception as error:  # noqa: BLE001 (the process's boundary)
            if parsed.debug:
                traceback.print_exception(error)
            return _failed(error, arguments, console)


def _failed(error: Exception, arguments: Sequence[str], console: Console) -> int:
    if isinstance(error, BrokenPipeError) and console.reader_is_gone():
        # the reader of our output went away (``| head``); nobody is left to tell
        return REFUSED
    sentence = sentence_for(error, arguments)
    if sentence is not None:
        console.error(sentence)
        return REFUSED
    console.error(
        message(
            "Internal error (bug): {kind}: {error}. Run the command again with --debug and report what it prints.",
            kind=type(error).__name__,
            error=error,
        )
    )
    return INTERNAL
