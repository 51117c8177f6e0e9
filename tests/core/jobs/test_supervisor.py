"""The supervisor, with real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from core.domain.events import TERMINAL, CancelledByUser, Event, Failed, Progress, Started, Succeeded, decode_event
from core.jobs.catalogue import JobRequest
from core.jobs.execution_target import CHILD
from core.jobs.supervisor import ROOT, supervise


def run(cancelled=lambda: False, grace_s: float = 5.0, log: Path | None = None, **arguments) -> list[Event]:
    seen: list[Event] = []
    request = JobRequest(job="rehearsal", arguments=arguments)
    supervise(request, emit=seen.append, cancelled=cancelled, grace_s=grace_s, log=log)
    return seen


def test_a_job_reports_its_start_its_progress_and_one_result() -> None:
    seen = run(steps=3)
    assert isinstance(seen[0], Started)
    assert [event.done for event in seen if isinstance(event, Progress)] == [1, 2, 3]
    assert seen[-1] == Succeeded(result={"counted": 3})


@pytest.mark.parametrize(
    ("end", "words"),
    [("fail", "asked to fail"), ("defect", "RuntimeError"), ("exit", "code 41")],
)
def test_every_way_to_fail_ends_in_one_failed_event_with_a_sentence(end: str, words: str) -> None:
    seen = run(end=end)
    assert [isinstance(event, TERMINAL) for event in seen].count(True) == 1
    assert isinstance(seen[-1], Failed)
    assert words in seen[-1].sentence


def test_last_words_of_a_dead_child_are_kept_and_logged(tmp_path: Path) -> None:
    seen = run(end="exit", log=tmp_path / "log")
    assert isinstance(seen[-1], Failed)
    assert "last words" in seen[-1].last_words
    assert b"last words" in (tmp_path / "log").read_bytes()


def test_a_line_that_is_no_event_is_skipped() -> None:
    assert isinstance(run(end="garbage")[-1], Succeeded)


def test_cancelling_ends_the_job_and_says_so() -> None:
    stop = threading.Event()
    seen: list[Event] = []

    def listen(event: Event) -> None:
        seen.append(event)
        if isinstance(event, Progress):
            stop.set()

    supervise(JobRequest(job="rehearsal", arguments={"end": "hang"}), emit=listen, cancelled=stop.is_set)
    assert seen[-1] == CancelledByUser()


def test_a_child_that_does_not_listen_is_killed_after_the_grace_period() -> None:
    stop = threading.Event()

    def listen(event: Event) -> None:
        if isinstance(event, Progress):
            stop.set()

    request = JobRequest(job="rehearsal", arguments={"end": "deaf", "steps": 1})
    final = supervise(request, emit=listen, cancelled=stop.is_set, grace_s=0.3)
    assert isinstance(final, CancelledByUser)
    assert "ended" in final.sentence


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL exists on POSIX only")
def test_a_killed_child_is_a_failed_job() -> None:
    def listen(event: Event) -> None:
        if isinstance(event, Started):
            os.kill(event.pid, signal.SIGKILL)

    final = supervise(JobRequest(job="rehearsal", arguments={"end": "deaf"}), emit=listen)
    assert isinstance(final, Failed)
    assert "signal 9" in final.sentence


def test_a_consumer_that_raises_leaves_no_child_behind() -> None:
    pids: list[int] = []

    def listen(event: Event) -> None:
        if isinstance(event, Started):
            pids.append(event.pid)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        supervise(JobRequest(job="rehearsal", arguments={"end": "hang"}), emit=listen, grace_s=5)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_an_unknown_job_is_refused_with_the_known_ones() -> None:
    seen: list[Event] = []
    supervise(JobRequest(job="dance"), emit=seen.append)
    assert isinstance(seen[-1], Failed)
    assert "rehearsal" in seen[-1].sentence


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of POSIX sends Ctrl-C to a process group")
def test_ctrl_c_of_the_terminal_is_the_parents_to_handle() -> None:
    """The terminal sends it to every process of the foreground; the job goes on until its parent stops it."""
    groups = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Started):
            groups.append(os.getpgid(event.pid))
            os.kill(event.pid, signal.SIGINT)

    request = JobRequest(job="rehearsal", arguments={"steps": 5, "pause_s": 0.05})
    assert supervise(request, emit=interrupt) == Succeeded(result={"counted": 5})
    assert groups[0] != os.getpgid(0)


def test_a_job_that_has_not_begun_ends_at_once() -> None:
    """The imports of a training take seconds; a wish to stop does not wait for them."""
    final = supervise(JobRequest(job="train", arguments={}), emit=lambda event: None, cancelled=lambda: True)
    assert final == CancelledByUser(), "one that is killed at the end of the grace period says so"


def test_a_job_whose_follower_falls_silent_stops_and_one_that_is_followed_goes_on() -> None:
    seen: list[Event] = []
    followed = JobRequest(job="rehearsal", arguments={"steps": 12, "pause_s": 0.1}, heartbeat_s=0.1)
    supervise(followed, emit=seen.append)
    assert isinstance(seen[-1], Succeeded)  # it took longer than the silence that would have ended it

    words = msgspec.json.encode(JobRequest(job="rehearsal", arguments={"end": "hang"}, heartbeat_s=0.1))
    child = subprocess.Popen(CHILD, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(words + b"\n")
        child.stdin.flush()  # and nothing more, while the connection stays as it is
        last = child.stdout.read().splitlines()[-1]
        assert isinstance(decode_event(last), CancelledByUser)
    finally:
        child.kill()
        child.communicate()
