"""Several readers draw and label in one study at once, each in a process of its own.

``python -m tests.core.store.at_once FOLDER READERS STROKES``: on a study that exists, which has a server. Prints
what it counted as JSON: lost strokes, the state of the trail, and how long the commits took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from core.domain.study import Labels
from core.domain.vocabulary import MarginType
from core.store.check import CheckReport, check_study
from core.store.study import Study
from tests.core.store.helpers import drawing

ROOT = Path(__file__).parents[3]
_MARGINS = tuple(MarginType)


def work(folder: Path, name: str, strokes: int) -> None:
    """Draw and label in turn; each stroke's number and its milliseconds go to standard output when it is kept."""
    with Study.open(folder, holder=name) as study:
        reader = study.readers.ensure(name)
        lesions = [lesion.id for lesion in study.lesions.all()]
        sys.stdin.readline()  # all begin at once
        busy = time.process_time()
        for number in range(strokes):
            lesion = lesions[number % len(lesions)]
            began = time.perf_counter()
            study.annotations.commit(lesion, reader.id, drawing(number))
            drawn = time.perf_counter()
            study.lesions.set_labels(
                lesion, Labels(margin=_MARGINS[number % len(_MARGINS)], comment=str(number)), reader_id=reader.id
            )
            labelled = time.perf_counter()
            os.write(1, f"{number} {1000 * (drawn - began):.3f} {1000 * (labelled - drawn):.3f}\n".encode())
        os.write(1, f"{1000 * (time.process_time() - busy):.3f}\n".encode())


def compete(folder: Path, readers: int, strokes: int) -> dict[str, object]:
    """Let them all work, then count what is there against what each was told is kept."""
    command = [sys.executable, "-m", "tests.core.store.at_once", "--work", str(folder)]
    workers = [
        subprocess.Popen(
            [*command, f"Dr {n}", str(strokes)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for n in range(readers)
    ]
    began = time.perf_counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    outputs = [worker.communicate()[0].decode().splitlines() for worker in workers]
    seconds = time.perf_counter() - began
    assert all(worker.returncode == 0 for worker in workers), "a reader's program ended with an error"
    busy = sum(float(output.pop()) for output in outputs)
    drawn = sorted(float(line.split()[1]) for output in outputs for line in output)
    labelled = sorted(float(line.split()[2]) for output in outputs for line in output)
    with Study.open(folder) as study:
        lost = sum(_lost(study, f"Dr {n}", len(outputs[n])) for n in range(readers))
        report = check_study(study)
    return {
        "readers": readers,
        "strokes": len(drawn),
        "lost": lost,
        "records": report.audit.records,
        "sound": _is_sound(report),
        "seconds": round(seconds, 1),
        "stroke p50 ms": round(drawn[len(drawn) // 2], 2),
        "stroke p95 ms": round(drawn[int(0.95 * len(drawn))], 2),
        "processor ms of a program per commit": round(busy / (2 * len(drawn)), 2),
        "labels p95 ms": round(labelled[int(0.95 * len(labelled))], 2),
    }


def _is_sound(report: CheckReport) -> bool:
    assert report.problems == (), report.problems[:5]
    return report.good


def _lost(study: Study, name: str, strokes: int) -> int:
    """How many of a reader's strokes are not there, in their order; every layer is whole."""
    reader = study.readers.find(name)
    assert reader is not None
    lost, lesions = 0, [lesion.id for lesion in study.lesions.all()]
    for place, lesion in enumerate(lesions):
        wanted = [drawing(number) for number in range(place, strokes, len(lesions))]
        history = study.annotations.history(lesion, reader.id)
        assert [one.revision for one in history] == list(range(1, len(history) + 1)), "a revision is missing"
        lost += sum(found.shapes != drawn for found, drawn in zip(history, wanted, strict=False))
        lost += abs(len(wanted) - len(history))
        labels = study.lesions.labels(lesion, reader_id=reader.id)
        last = range(place, strokes, len(lesions))[-1] if wanted else None
        lost += last is not None and (labels is None or labels.comment != str(last))
    return lost


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        work(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        counted = compete(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
        sys.stdout.write(json.dumps(counted) + "\n")
