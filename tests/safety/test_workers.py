"""B-26: every way for a worker to die is one event, soon, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from core.domain.events import TERMINAL, Event, Failed, Progress, Started, Succeeded
from core.jobs.catalogue import JobRequest
from core.jobs.supervisor import supervise
from tests.safety.death_watch import DeathWatch
from tests.safety.kept import go_on

WAYS = ("SIGSEGV", "SIGKILL", "SIGABRT", "SIGBUS", "exit", "defect", "garbage", "fail")
SOON_MS = 3000
"""From the death of a worker to the event that says it is gone, when it can be started again."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def die(way: str, *, watch: Callable[[int], object] = lambda pid: None) -> None:
    """A job that ends this way has one last event, and leaves no process. ``watch`` is told of the worker."""
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Progress) and way.startswith("SIG"):
            os.kill(pids[0], getattr(signal, way))
        elif isinstance(event, Started):
            pids.append(event.pid)
            watch(event.pid)

    pids: list[int] = []
    arguments = {"steps": 1, "end": "deaf" if way.startswith("SIG") else way}
    final = supervise(JobRequest(job="rehearsal", arguments=arguments), emit=listen)
    assert [isinstance(event, TERMINAL) for event in seen].count(True) == 1
    assert isinstance(final, Succeeded if way == "garbage" else Failed)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)  # no zombie either: it was waited for


def timed_death(way: str) -> int:
    """ms from the death of the worker, however it dies, to the end of its job."""
    watches: list[DeathWatch] = []
    die(way, watch=lambda pid: watches.append(DeathWatch(pid)))
    return round(1000 * (time.monotonic() - watches[0].died_at()))


def belongings() -> tuple[set[str], int, int]:
    """Shared memory, open descriptors and threads."""
    shared = {path.name for path in Path("/dev/shm").glob("*")} if Path("/dev/shm").is_dir() else set()
    return shared, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors by /proc")
def test_whatever_becomes_of_a_worker_the_program_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    die("fail")
    before = belongings()
    for way in WAYS:
        die(way)
    _, descriptors, threads = belongings()
    assert (descriptors, threads) == before[1:]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.safety_full
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="learns of the moment of a death as Linux tells it")
def test_a_hundred_deaths_of_workers_leave_nothing_and_are_said_soon() -> None:
    before = belongings()

    def step(number: int) -> Counter[str]:
        return Counter({"deaths": 1, "most ms until it is said": timed_death(WAYS[number % len(WAYS)])})

    counted = go_on("B-26", 100, step)
    assert belongings()[1:] == before[1:]
    assert counted["most ms until it is said"] < SOON_MS, counted


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_log_that_cannot_be_written_does_not_stop_the_job() -> None:
    """A child whose words nobody takes stands still when the pipe is full."""
    request = JobRequest(job="rehearsal", arguments={"steps": 2, "chatter": 300_000})
    assert isinstance(supervise(request, emit=lambda event: None, log=Path("/dev/full")), Succeeded)
    final = supervise(request, emit=lambda event: None, log=Path("/proc/1/nowhere/log"))
    assert isinstance(final, Succeeded)


def test_no_worker_outlives_its_parent(tmp_path: Path) -> None:
    """The parent is killed; the child's input ends and it stops."""
    code = (
        "import sys\nfrom core.domain.events import Started\nfrom core.jobs.catalogue import JobRequest\n"
        "from core.jobs.supervisor import supervise\n"
        "supervise(JobRequest(job='rehearsal', arguments={'end': 'hang'}),"
        " emit=lambda e: print(e.pid, flush=True) if isinstance(e, Started) else None)\n"
    )
    root = Path(__file__).parents[2]
    import sys

    with subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().split(") ")[1][0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} lives on")
