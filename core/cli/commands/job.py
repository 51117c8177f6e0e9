"""Carry out one job of this program and report it as JSON lines: for the program itself, on another machine.

Without --folder, the job protocol of a child process: the request is the first line of standard input, every line
of standard output is an event, and closing standard input asks the job to stop. This is what `train --on HOST`
starts over ssh. With --folder, events and the wish to stop are files in it. With --array, a list of such folders
and the place in it from Slurm's variables: this is what a node runs.
With --in, the folder of a run that was sent here: it is received, its results are given, or it is deleted.

examples (internal; not meant to be typed):
  marginalia job --folder marginalia-job
  marginalia job --in marginalia-runs/3f2a --give > results
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from core.cli.console import Console

HELP = "internal: carry out a job for this program on another machine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, help="folder of the events")
    parser.add_argument("--array", type=Path, metavar="FILE", help="list of folders; this job's is taken from it")
    parser.add_argument("--in", dest="run", default="", metavar="FOLDER", help="of a run that was sent here")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--take", default="", metavar="SHA256", help="receive what is trained on, on standard input")
    what.add_argument("--give", action="store_true", help="write the results to standard output")
    parser.add_argument(
        "--left",
        choices=("begin", "follow", "halt", "stop"),
        help="begin the job on standard input and leave it, write its events, ask it to stop, or stop every job "
        "below the folder",
    )
    what.add_argument("--drop", action="store_true", help="delete the run here")


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.array:
        from core.jobs.slurm.task import run_task

        run_task(arguments.array)
    if not arguments.run:
        from core.jobs.child import main

        return main([str(arguments.folder)] if arguments.folder else [])
    from core.jobs.detached import ask_to_stop
    from core.tasks.runs.remote_worker import begin, drop, folder_of, follow, give, stop_all, take

    folder = folder_of(arguments.run)
    if arguments.take:
        take(folder, arguments.take, sys.stdin.buffer, sys.stdout.buffer)
    elif arguments.give:
        give(folder, sys.stdout.buffer)
    elif arguments.left == "begin":
        begin(folder, sys.stdin.buffer)
    elif arguments.left == "follow":
        follow(folder, sys.stdin.buffer, sys.stdout.buffer)
        os._exit(0)  # a thread still sits in a blocking read of standard input
    elif arguments.left == "halt":
        ask_to_stop(folder)
    elif arguments.left == "stop":
        left = stop_all(folder)
        console.result({"working": left}, " ".join(left))
    elif arguments.drop:
        drop(folder)
    return 0
