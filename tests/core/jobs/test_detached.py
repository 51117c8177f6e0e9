"""A job without its parent, with real child processes: left alone, found again, killed, hanging, out of memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.domain.errors import StudyError
from core.domain.events import (
    TERMINAL,
    CancelledByUser,
    Event,
    Failed,
    Message,
    Metrics,
    Progress,
    Started,
    Succeeded,
    encode_event,
)
from core.jobs import detached
from core.jobs.catalogue import JobRequest
from core.jobs.detached import EVENTS, final_event, follow, is_alive, launch

ROOT = Path(__file__).resolve().parents[3]
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def begin(folder: Path, **arguments: object) -> int:
    """Launch a rehearsal; its process number."""
    launch(JobRequest(job="rehearsal", arguments=arguments), folder, log=folder / "log.txt")
    for event in detached.EventTail(folder / EVENTS).read():
        if isinstance(event, Started):
            return event.pid
    raise AssertionError("it did not start")


def finish(folder: Path, **more: object) -> list[Event]:
    seen: list[Event] = []
    follow(folder, emit=seen.append, log=folder / "log.txt", **more)  # type: ignore[arg-type]
    assert [isinstance(event, TERMINAL) for event in seen].count(True) == 1
    return seen


def until(there: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_reports_its_start_its_progress_and_one_result(tmp_path: Path) -> None:
    begin(tmp_path, steps=3)
    seen = finish(tmp_path)
    assert isinstance(seen[0], Started)
    assert any(isinstance(event, Progress) for event in seen)
    assert seen[-1] == Succeeded(result={"counted": 3})
    assert not is_alive(tmp_path)


def test_a_job_that_is_left_goes_on_and_is_found_again_with_all_it_said(tmp_path: Path) -> None:
    begin(tmp_path, steps=8, pause_s=0.25)
    leave = threading.Event()
    first: list[Event] = []

    def listen(event: Event) -> None:
        first.append(event)
        if isinstance(event, Progress):
            leave.set()

    assert follow(tmp_path, emit=listen, left=leave.is_set) is None
    assert is_alive(tmp_path)
    with pytest.raises(StudyError, match="Another job is using"):
        launch(JobRequest(job="rehearsal"), tmp_path, log=tmp_path / "log.txt")
    seen = finish(tmp_path)
    assert seen[: len(first)] == first
    assert seen[-1] == Succeeded(result={"counted": 8})
    assert final_event(tmp_path) == seen[-1]


@posix
def test_the_parent_is_killed_and_the_job_ends_as_if_nothing_had_happened(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom core.jobs.catalogue import JobRequest\n"
        "from core.jobs.detached import launch\nfolder = Path(sys.argv[1])\n"
        "request = JobRequest(job='rehearsal', arguments={'steps': 6, 'pause_s': 0.2})\n"
        "launch(request, folder, log=folder / 'log.txt')\nprint('begun', flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "begun\n"
        parent.kill()
    assert is_alive(tmp_path)
    assert finish(tmp_path)[-1] == Succeeded(result={"counted": 6})


@posix
@pytest.mark.parametrize("ours", [True, False])
def test_a_killed_job_is_a_failed_one(tmp_path: Path, ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = begin(tmp_path, end="deaf", steps=1)
    child = detached._children[tmp_path.resolve()]
    if not ours:  # another program started it
        monkeypatch.setattr(detached, "_children", {})
    os.kill(pid, signal.SIGKILL)
    final = finish(tmp_path)[-1]
    child.wait()
    assert isinstance(final, Failed)
    assert ("signal 9" if ours else "without a message") in final.sentence


def test_cancelling_ends_the_job_and_says_so(tmp_path: Path) -> None:
    begin(tmp_path, end="hang", steps=1)
    assert finish(tmp_path, cancelled=lambda: True)[-1] == CancelledByUser()


@posix
def test_a_stopped_job_is_said_to_hang_and_killed_when_it_does_not_listen(tmp_path: Path) -> None:
    """SIGSTOP: it neither works nor hears."""
    pid = begin(tmp_path, end="deaf", steps=1)
    os.kill(pid, signal.SIGSTOP)
    stop = threading.Event()
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Message):
            stop.set()

    final = follow(tmp_path, emit=listen, cancelled=stop.is_set, grace_s=0.3, silent_s=0.5)
    assert any("may hang" in event.text for event in seen if isinstance(event, Message))
    assert isinstance(final, CancelledByUser)
    assert "ended" in final.sentence
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@posix
def test_a_job_that_uses_up_the_memory_fails_in_a_sentence(tmp_path: Path) -> None:
    begin(tmp_path, end="memory", steps=1, limit=600 << 20)
    final = finish(tmp_path)[-1]
    assert isinstance(final, Failed)
    assert final.sentence.startswith("The job ran out of memory")


@posix
def test_a_job_leaves_the_processor_to_others(tmp_path: Path) -> None:
    pid = begin(tmp_path, end="hang", steps=1)
    assert os.getpriority(os.PRIO_PROCESS, pid) >= min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    finish(tmp_path, cancelled=lambda: True)


def test_last_words_come_from_the_log(tmp_path: Path) -> None:
    begin(tmp_path, end="exit", steps=1)
    final = finish(tmp_path)[-1]
    assert isinstance(final, Failed)
    assert "code 41" in final.sentence
    assert "last words" in final.last_words


def test_half_a_line_waits_for_its_rest_and_a_torn_one_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    tail = detached.EventTail(path)
    assert list(tail.read()) == []
    whole = encode_event(Metrics(stage="A1", epoch=1, values={"loss": 1.0}))
    path.write_bytes(whole + whole[:10])
    assert len(list(tail.read())) == 1
    with path.open("ab") as file:
        file.write(whole[10:] + b"\xff nothing\n")
    assert len(list(tail.read())) == 1
