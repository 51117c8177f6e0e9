"""Marginalia: annotate breast-mass margins, train an interpretable classifier on them, review what it learned.

Only dispatch: with a command, the command line; without one, the window.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from core.platform.memory import keep_freed_memory
from core.store.names import is_study

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect."""


def main(arguments: list[str]) -> int:
    if opens_the_window(arguments):
        from app.application import main as run_window

        return run_window(arguments)

    from core.cli.main import COMPUTING, run_command_line, study_of_demo

    if arguments[0] in COMPUTING:
        keep_freed_memory()
    code = run_command_line(arguments)
    study = study_of_demo(arguments) if code == 0 else None
    if study is not None:
        from app.application import has_display
        from app.application import main as run_window

        if has_display():
            return run_window([str(study)])
        sys.stderr.write("There is no display, so the window was not opened; the report stands for it.\n")
    return code


def opens_the_window(arguments: list[str]) -> bool:
    """Without a command, or with the folder of a study and nothing else."""
    return not arguments or (len(arguments) == 1 and is_study(Path(arguments[0])))


def run() -> NoReturn:
    """The whole program, to its exit code."""
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:  # before a command, which hears it itself, had begun
        sys.stderr.write("Error: Cancelled; nothing was begun.\n")
        code = INTERRUPTED
    if code == INTERRUPTED:
        # it may have come while a library was half imported, which can die when the interpreter takes it down;
        # what the command held was given back on the way here
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    run()
