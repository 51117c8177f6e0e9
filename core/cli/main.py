"""The command line: one command a capability, each with help that suffices.

Exit code 0 only for success; an error is one sentence on standard error; ``--json`` puts one JSON document on
standard output and nothing else. Heavy packages are imported by a command when it runs, never to print help.
"""

from __future__ import annotations

import argparse
import errno
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from core.cli.console import Console
from core.cli.output import add_output
from core.domain.errors import Cancelled, MarginaliaError
from core.domain.vocabulary import DISCLAIMER

COMMANDS = (
    "demo",
    "phantom",
    "study",
    "import",
    "pacs",
    "split",
    "train",
    "evaluate",
    "validate",
    "explain",
    "prototypes",
    "prune",
    "reader-study",
    "experiment",
    "export",
    "import-model",
    "deidentify",
    "check",
    "backup",
    "restore",
    "forget",
    "self-test",
    "weights",
    "hosts",
    "job",
)
"""In the order of the work; each is a module of ``core.cli.commands`` (``import`` in ``import_images``)."""

_MODULES = {
    "import": "import_images",
    "import-model": "import_model",
    "self-test": "self_test",
    "reader-study": "reader_study",
}

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect."""


class CliCommand(Protocol):
    """What a module of ``core.cli.commands`` offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, arguments: argparse.Namespace, console: Console) -> int: ...


def _command(name: str) -> CliCommand:
    return cast(CliCommand, import_module(f"core.cli.commands.{_MODULES.get(name, name)}"))


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """The parser with these commands; each further one costs the import of its module."""
    parser = argparse.ArgumentParser(
        prog="main.py",
        description="Marginalia: annotate breast-mass margins, train an interpretable classifier (IAIA-BL) on "
        "them, and review and prune what it has learned. Without a command the window opens.",
        epilog=DISCLAIMER,
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    for name in names:
        command = _command(name)
        sub = commands.add_parser(
            name,
            help=command.HELP,
            description=(command.__doc__ or command.HELP).strip(),
            epilog=DISCLAIMER,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        add_output(sub)
    return parser


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
    named = [argument for argument in arguments[:1] if argument in COMMANDS]
    parser = build_parser(named or COMMANDS)
    parsed = parser.parse_args(arguments)
    if parsed.command is None:
        parser.print_help()
        return 2
    with Console(as_json=parsed.json, quiet=parsed.quiet) as console:
        try:
            return _command(parsed.command).run(parsed, console)
        except (Cancelled, KeyboardInterrupt):
            console.error("Cancelled; what was finished is kept and nothing is half-written.")
            return INTERRUPTED
        except MarginaliaError as error:
            if parsed.debug:
                traceback.print_exc()
            console.error(str(error))
            return 1
        except BrokenPipeError:
            # the reader of our output went away (``| head``); nobody is left to tell
            sys.stderr.close()
            return 1
        except Exception as error:  # noqa: BLE001 (the process's boundary)
            return _defect(error, console, debug=parsed.debug)


def _defect(error: Exception, console: Console, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        console.error("A name among the paths is too long for this disk; choose a shorter one.")
        return 1
    console.error(
        f"This is a defect of the program ({type(error).__name__}: {error}); run the command again with "
        "--debug and report what it prints."
    )
    return 3
