"""Marginalia: annotate breast-mass margins, train an interpretable classifier on them, review what it learned.

Only dispatch: with a command, the command line; without one, the window.
"""

from __future__ import annotations

import sys


def main(arguments: list[str]) -> int:
    from core.cli.main import run_command_line

    return run_command_line(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
