"""Kill readers and the server while several draw in one study, and look for what had been acknowledged.

A program of its own, so that it forks without the threads of a test run:
``python -m tests.core.store.killed_at_once FOLDER READERS SERVER SEED`` kills that many readers' programs and the
server that many times. Prints what it counted as JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import MarginaliaError
from core.domain.study import Labels
from core.store.check import check_study
from core.store.study import Study
from tests.core.store.helpers import add_case, drawing
from tests.database_server import DatabaseServer, database_server

AT_ONCE, LESIONS = 6, 3


@dataclass
class Worker:
    name: str
    pid: int
    pipe: int


def draw(folder: Path, name: str, start: int, acknowledge: int) -> None:
    """Draw and label for ever; after each stroke tell its lesion, revision and number."""
    number, parent = start, os.getppid()
    while os.getppid() == parent:
        with contextlib.suppress(MarginaliaError), Study.open(folder, holder=name) as study:
            reader = study.readers.ensure(name)
            while os.getppid() == parent:
                lesion = f"l{number % LESIONS}"
                done = study.annotations.commit(lesion, reader.id, drawing(number))
                os.write(acknowledge, f"{lesion} {done.revision} {number}\n".encode())
                number += 1
                with study.batch():  # of which nothing or all must be there
                    study.lesions.set_labels(lesion, Labels(comment=str(number)), reader_id=reader.id)
                    study.audit.record("test.labelled", f"reader {reader.id}", new={"number": number})
        time.sleep(0.05)  # the server is gone; it comes back


def begin(folder: Path, name: str, start: int) -> Worker:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            draw(folder, name, start, writing)
        finally:  # nothing of what the parent still has to do
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    return Worker(name, pid, reading)


def kill(worker: Worker, acknowledged: dict[tuple[str, str, int], int]) -> None:
    os.kill(worker.pid, signal.SIGKILL)
    os.waitpid(worker.pid, 0)
    with open(worker.pipe, "rb") as pipe:  # noqa: PTH123 (a pipe, not a path)
        for line in pipe.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                lesion, revision, number = line.split()
                acknowledged[worker.name, lesion.decode(), int(revision)] = int(number)


def main(folder: Path, server: DatabaseServer, kills: int, server_kills: int, seed: int) -> dict[str, object]:
    with Study.create(folder, name="s", server=server.address()) as study:
        for number in range(LESIONS):
            add_case(study, number)
        for n in range(AT_ONCE):
            study.readers.ensure(f"Dr {n}")
    chance = random.Random(seed)
    acknowledged: dict[tuple[str, str, int], int] = {}
    workers = [begin(folder, f"Dr {n}", n * 10**6) for n in range(AT_ONCE)]
    deaths = ["reader"] * kills + ["server"] * server_kills
    chance.shuffle(deaths)
    for attempt, what in enumerate(deaths, start=1):
        time.sleep(chance.uniform(0.02, 0.3))
        if what == "server":
            (server.kill if attempt % 2 else server.stop)()
            server.start()
        else:
            place = chance.randrange(AT_ONCE)
            kill(workers[place], acknowledged)
            workers[place] = begin(folder, f"Dr {place}", (place + AT_ONCE * attempt) * 10**6)
    time.sleep(0.5)
    for worker in workers:
        kill(worker, acknowledged)
    server.kill()
    server.start()
    lost = _lost(folder, acknowledged)
    return {"kills": kills, "kills of the server": server_kills, "acknowledged": len(acknowledged), "lost": lost}


def _lost(folder: Path, acknowledged: dict[tuple[str, str, int], int]) -> int:
    lost = 0
    with Study.open(folder) as study:
        report = check_study(study)
        assert report.problems == (), report.problems[:5]
        for n in range(AT_ONCE):
            reader = study.readers.find(f"Dr {n}")
            assert reader is not None
            for lesion in (f"l{place}" for place in range(LESIONS)):
                history = {one.revision: one.shapes for one in study.annotations.history(lesion, reader.id)}
                assert sorted(history) == list(range(1, len(history) + 1)), "a revision is missing"
                told = {key[2]: number for key, number in acknowledged.items() if key[:2] == (f"Dr {n}", lesion)}
                lost += sum(history.get(revision) != drawing(number) for revision, number in told.items())
        labelled = sum(record.action == "lesion.labels" for record in study.audit.records())
        noted = sum(record.action == "test.labelled" for record in study.audit.records())
        assert labelled == noted, "a batch was kept in part"
    return lost


if __name__ == "__main__":
    with database_server() as started:
        found = main(Path(sys.argv[1]), started, int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    sys.stdout.write(json.dumps(found) + "\n")
