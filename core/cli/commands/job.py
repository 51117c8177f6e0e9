"""Carry out one job of this program and report it as JSON lines: for the program itself, on another machine.

Without --folder, the job protocol of a child process: the request is the first line of standard input, every line
of standard output is an event, and closing standard input asks the job to stop. This is what `train --on HOST`
starts over ssh. With --folder, events and the wish to stop are files in it: this is what a Slurm node runs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from core.cli.console import Console

HELP = "carry out a job for this program on another machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="folder of the events")


def run(arguments: argparse.Namespace, console: Console) -> int:
    from core.jobs.child import main

    return main([str(arguments.folder)] if arguments.folder else [])
