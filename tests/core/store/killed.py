"""Kill a process that annotates, many times, and look for what it had acknowledged (safety.md, B-01).

A program of its own, so that it forks without the threads of a test run: ``python -m tests.core.store.killed
FOLDER TIMES SEED``. Prints what it counted as JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from core.store.study import Study
from tests.core.store.helpers import add_case, drawing


def annotate(folder: Path, reader_id: str, start: int, acknowledge: int) -> None:
    """Commit drawings for ever; after each, tell its revision and number."""
    with Study.open(folder) as study:
        for number in range(start, start + 10_000):
            done = study.annotations.commit("l1", reader_id, drawing(number))
            os.write(acknowledge, f"{done.revision} {number}\n".encode())


def kill_one(folder: Path, reader_id: str, start: int, wait_s: float, *, opening: bool) -> dict[int, int]:
    """Acknowledged revisions, with the number that was drawn in each, of a process killed after ``wait_s``.

    ``opening``: counted from the start of the process; else from its first acknowledgement.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        annotate(folder, reader_id, start, writing)
        os._exit(1)
    os.close(writing)
    first = b""
    while not opening and not first.endswith(b"\n"):
        first += os.read(reading, 1)
    time.sleep(wait_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(reading, "rb") as pipe:  # noqa: PTH123 (a pipe, not a path)
        lines = (first + pipe.read()).splitlines(keepends=True)
    whole = [line.split() for line in lines if line.endswith(b"\n")]
    return {int(revision): int(number) for revision, number in whole}


def main(folder: Path, times: int, seed: int) -> None:
    with Study.create(folder, name="s") as study:
        add_case(study, 1)
        reader = study.readers.ensure("Dr A")
    chance, slowest = random.Random(seed), 0.0
    acknowledged: dict[int, int] = {}
    for attempt in range(times):
        acknowledged |= kill_one(
            folder, reader.id, attempt * 10_000, chance.uniform(0.005, 0.25), opening=attempt % 4 == 3
        )
        began = time.monotonic()
        with Study.open(folder) as study:
            slowest = max(slowest, time.monotonic() - began)
            history = {a.revision: a.shapes for a in study.annotations.history("l1", reader.id)}
            assert study.audit.verify().good, "the audit trail broke"
        for revision, number in acknowledged.items():
            assert history.get(revision) == drawing(number), f"revision {revision} was acknowledged and is lost"
        assert sorted(history) == list(range(1, len(history) + 1)), "a revision is missing"
    assert len(acknowledged) >= times // 2, "too little was acknowledged to say anything"
    counted = {
        "kills": times,
        "acknowledged": len(acknowledged),
        "lost": 0,  # else one of the assertions above failed
        "most ms to reopen": round(1000 * slowest),
    }
    sys.stdout.write(json.dumps(counted) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
