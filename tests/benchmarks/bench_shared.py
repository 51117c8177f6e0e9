"""Commits of several readers who draw and label in one study on a server at once, all on this computer.

    python -m tests.benchmarks.bench_shared [--readers N] [--strokes N] [--alone] [--json FILE]

A real server in a folder of its own, with fsync. Each reader is a process that does nothing but draw and label,
which no person does: with N readers on P processors a commit waits for N / P others. ``--alone`` adds one reader
alone, on the server and in a file, as the reference. Nothing is asserted; the goal of a p95 of 25 ms is for a
machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from core.store.study import Study
from tests.core.store.at_once import compete
from tests.core.store.helpers import add_case
from tests.database_server import DatabaseServer, database_server

LESIONS = 10


def measure(folder: Path, server: DatabaseServer | None, readers: int, strokes: int) -> dict[str, object]:
    """On a new study, on the server or in a file."""
    with Study.create(folder, name="s", server="" if server is None else server.address()) as study:
        for number in range(LESIONS):
            add_case(study, number)
    before = 0.0 if server is None else server.processor_s()
    found = compete(folder, readers, strokes)
    if server is not None:
        spent = 1000 * (server.processor_s() - before) / (2 * readers * strokes)
        found["processor ms of the server per commit"] = round(spent, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--strokes", type=int, default=500)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found: dict[str, object] = {"processors": os.cpu_count(), "load before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as made, database_server() as server:
        folder = Path(made)
        if arguments.alone:
            found["alone, in a file"] = measure(folder / "file", None, 1, arguments.strokes)
            found["alone, on the server"] = measure(folder / "one", server, 1, arguments.strokes)
        found["at once"] = measure(folder / "all", server, arguments.readers, arguments.strokes)
    text = json.dumps(found, indent=1)
    sys.stdout.write(text + "\n")
    if arguments.json is not None:
        arguments.json.write_text(text)


if __name__ == "__main__":
    main()
