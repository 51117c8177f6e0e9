"""Marginalia: annotate breast-mass margins, train an interpretable classifier on them, review what it learned.

Only dispatch: with a command, the command line; without one, the window.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    if opens_the_window(arguments):
        from app.application import main as run_window

        return run_window(arguments)

    from core.cli.main import run_command_line

    return run_command_line(arguments)


def opens_the_window(arguments: list[str]) -> bool:
    """Without a command, or with the folder of a study and nothing else."""
    return not arguments or (len(arguments) == 1 and Path(arguments[0], "study.db").is_file())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
