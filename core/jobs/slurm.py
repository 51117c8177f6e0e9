"""The job protocol in front of Slurm: ``python -m core.jobs.slurm FOLDER NAME``.

Reads the request from standard input like any child and submits this program's own command line with ``sbatch``.
The node runs a detached child (``core.jobs.detached``), which writes its events to a file; they are copied to
standard output. When standard input closes, the job is asked to stop. If it does not stop, it is removed from the
queue (``scancel``). The folder must lie on a file system that the nodes see under the same path. Other settings of
a site (partition, account, time) are taken from sbatch's own environment variables (SBATCH_PARTITION, ...).
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from core.domain.events import TERMINAL, CancelledByUser, Event, Failed, decode_event, encode_event
from core.jobs.detached import EVENTS, ask_to_stop, forget
from core.platform.atomic import atomic_write

ROOT = Path(__file__).resolve().parents[2]
REQUEST, LOG = "slurm-request.json", "slurm-log.txt"
_LOST = "Slurm ended job {job} before it was done; what it had saved is kept and it can be resumed."
_POLL_S = 0.5
_ASK_SLURM_S = 10.0
_PATIENCE_S = 8.0
"""From asking a job to stop to taking it out of the queue: less than a supervisor waits for its child."""
_GRACE_S = 60.0
"""After the job left the queue, or was cancelled: network file systems show a file's end late."""


def submit(folder: Path, name: str) -> str:
    """Submit the job to Slurm and return its number. Raises: RuntimeError with sbatch's message if it refuses."""
    run = shlex.join([sys.executable, str(ROOT / "main.py"), "job", "--folder", str(folder)])
    done = subprocess.run(
        [
            "sbatch", "--parsable", f"--job-name={name}", f"--chdir={ROOT}", f"--output={pattern(folder / LOG)}",
            "--wrap", f"exec {run} < {shlex.quote(str(folder / REQUEST))}",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip() or f"sbatch ended with code {done.returncode}")
    return done.stdout.strip().split(";")[0]


def pattern(path: Path) -> str:
    """The path as sbatch takes one: a percent sign begins a replacement symbol there, and is doubled.

    Slurm takes every backslash out of a path, so that one with a backslash cannot be named: nothing is kept then.
    """
    text = str(path)
    return "/dev/null" if "\\" in text else text.replace("%", "%%")


def in_queue(job: str) -> bool:
    """Return True if the job waits or runs in Slurm, or if Slurm cannot be queried at the moment."""
    done = subprocess.run(
        ["squeue", "--noheader", "--jobs", job, "--format=%T"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return "Invalid job id" not in done.stderr
    return bool(done.stdout.strip())


def lines_of(path: Path, start: int) -> tuple[list[bytes], int]:
    """Whole lines from a position on, and the position after them."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            found = file.read()
    except FileNotFoundError:
        return [], start
    end = found.rfind(b"\n") + 1
    return found[:end].splitlines(keepends=True), start + end


def follow(folder: Path, job: str, asked_to_stop: threading.Event) -> Iterator[Event]:
    """The events of the job as they come; ends with a terminal one, whatever becomes of the node."""
    position, asked, left_at = 0, time.monotonic(), 0.0
    stopped, stopped_at = False, 0.0
    while True:
        lines, position = lines_of(folder / EVENTS, position)
        for line in lines:
            event = decode_event(line)
            yield event
            if isinstance(event, TERMINAL):
                return
        now = time.monotonic()
        if asked_to_stop.is_set() and not stopped:
            stopped = True
            stopped_at = now
            ask_to_stop(folder)
        if stopped and now - stopped_at > _PATIENCE_S:
            subprocess.run(["scancel", job], capture_output=True, check=False)
            stopped_at = now
        if now - asked > _ASK_SLURM_S or stopped:
            asked = now
            left_at = 0.0 if in_queue(job) else left_at or now
        if left_at and now - left_at > (_GRACE_S if not stopped else _POLL_S * 4):
            yield CancelledByUser() if stopped else Failed(sentence=_LOST.format(job=job))
            return
        time.sleep(_POLL_S)


def main(arguments: list[str], source: BinaryIO, sink: BinaryIO) -> int:
    folder, name = Path(arguments[0]), arguments[1]
    atomic_write(folder / REQUEST, source.readline())
    forget(folder)
    asked = threading.Event()

    def watch() -> None:
        while source.read(4096):
            pass
        asked.set()

    threading.Thread(target=watch, daemon=True).start()
    try:
        job = submit(folder, name)
    except (OSError, RuntimeError) as error:
        sink.write(encode_event(Failed(sentence=f"The job could not be handed to Slurm: {error}.")))
        sink.flush()
        return 1
    final: Event | None = None
    for event in follow(folder, job, asked):
        final = event
        try:
            sink.write(encode_event(event))
            sink.flush()
        except BrokenPipeError:
            asked.set()
    return 0 if msgspec.to_builtins(final).get("event") == "succeeded" else 1


if __name__ == "__main__":
    import os

    code = main(sys.argv[1:], sys.stdin.buffer, sys.stdout.buffer)
    # a thread still sits in a blocking read of standard input
    os._exit(code)
