"""Launchers, with real child processes and a Slurm of three small scripts."""

from __future__ import annotations

import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest

from core.domain.errors import MarginaliaError, TrainingError
from core.domain.events import CancelledByUser, Event, Failed, Message, Progress, Started, Succeeded
from core.jobs import slurm
from core.jobs.catalogue import JobRequest
from core.jobs.execution_target import THIS_MACHINE
from core.jobs.launcher import Launcher, launcher_of
from core.jobs.supervisor import supervise
from core.tasks.runs.parallel_runs import at_once

_SBATCH = """#!{python}
import json, os, re, subprocess, sys, time
here = os.path.dirname(os.path.abspath(__file__))
arguments = sys.argv[1:]
with open(os.path.join(here, "asked.json"), "w") as file:
    json.dump(arguments, file)
if os.environ.get("REFUSED"):
    sys.exit("sbatch: error: invalid partition")
output = next(a.split("=", 1)[1] for a in arguments if a.startswith("--output="))
if "\\\\" in output:
    output = output.replace("\\\\", "")
else:
    output = re.sub("%(.)", lambda found: dict(j="17", u="root").get(found[1], found[1]), output)
work = arguments[arguments.index("--wrap") + 1]
if os.environ.get("LOST"):
    work = "exit 9"
with open(output, "wb") as log:
    none = subprocess.DEVNULL
    child = subprocess.Popen(["sh", "-c", work], stdout=log, stderr=log, stdin=none, start_new_session=True)
with open(os.path.join(here, "pid"), "w") as file:
    file.write(str(child.pid))
print(f"{{child.pid}};cluster")
"""
_SQUEUE = """#!{python}
import os, sys
pid = sys.argv[sys.argv.index("--jobs") + 1]
try:
    with open(f"/proc/{{pid}}/stat") as file:
        running = file.read().rsplit(")", 1)[1].split()[0] != "Z"
except FileNotFoundError:
    running = False
if running:
    print("RUNNING")
"""
_SCANCEL = """#!{python}
import os, signal, sys
os.kill(int(sys.argv[-1]), signal.SIGTERM)
"""


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("sbatch", _SBATCH), ("squeue", _SQUEUE), ("scancel", _SCANCEL)):
        path = folder / name
        path.write_text(text.format(python=sys.executable))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def _supervised(tmp_path: Path, cancelled=lambda: False, **arguments: object) -> list[Event]:
    seen: list[Event] = []
    place = Launcher(at_once=2, slurm=True).place(tmp_path, "rehearsal 1")
    request = JobRequest(job="rehearsal", arguments=arguments)
    supervise(request, emit=seen.append, cancelled=cancelled, grace_s=30, place=place)
    return seen


def test_launchers_are_read_from_words() -> None:
    assert launcher_of("local:3") == Launcher(at_once=3) and launcher_of("local") == Launcher()
    assert launcher_of("slurm").slurm and launcher_of("slurm:8") == Launcher(at_once=8, slurm=True)
    for wrong in ("", "local:0", "lsf", "slurm:x"):
        with pytest.raises(MarginaliaError, match="local:N"):
            launcher_of(wrong)


def test_local_children_divide_the_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert Launcher(at_once=2).place(tmp_path, "a").environment["OMP_NUM_THREADS"] == "4"
    assert Launcher(at_once=16).place(tmp_path, "a").environment["OMP_NUM_THREADS"] == "1"
    assert Launcher().place(tmp_path, "a") is THIS_MACHINE


def test_jobs_run_two_at_once_and_one_that_fails_stops_no_other() -> None:
    meet = threading.Barrier(2, timeout=30)
    said: list[Event] = []

    def good(emit) -> str:  # type: ignore[no-untyped-def]
        meet.wait()
        emit(Progress(stage="A1", done=1, total=1))
        emit(Message(level="info", text="done"))
        return "good"

    def bad(emit) -> str:  # type: ignore[no-untyped-def]
        meet.wait()
        raise TrainingError("No memory.")

    with pytest.raises(TrainingError, match=r"^second: No memory\.$"):
        at_once({"first": good, "second": bad}, 2, emit=said.append, cancelled=lambda: False)
    assert said == [Progress(stage="first: A1", done=1, total=1), Message(level="info", text="first: done")]


def test_a_job_goes_through_slurm_and_its_events_come_back(fake_slurm: Path, tmp_path: Path) -> None:
    seen = _supervised(tmp_path, steps=3)
    assert isinstance(seen[0], Started) and seen[-1] == Succeeded(result={"counted": 3})
    assert [event.done for event in seen if isinstance(event, Progress)][:1] == [1]  # a file takes two a second
    asked = (fake_slurm / "asked.json").read_text()
    assert "--job-name=rehearsal 1" in asked and "main.py job --folder" in asked


@pytest.mark.parametrize("folder", ["100%j of %u", "50%", "a\\b %x"])
def test_a_folder_may_have_what_slurm_takes_for_a_pattern(fake_slurm: Path, tmp_path: Path, folder: str) -> None:
    place = tmp_path / folder
    place.mkdir()
    assert _supervised(place, steps=1)[-1] == Succeeded(result={"counted": 1})
    kept = {path.name for path in place.iterdir()}
    assert (slurm.LOG in kept) == ("\\" not in folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["bin", folder])


def test_what_fails_on_the_node_or_in_the_queue_is_told(
    fake_slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _supervised(tmp_path, end="fail")[-1].sentence == "The rehearsal was asked to fail."  # type: ignore[union-attr]
    monkeypatch.setenv("REFUSED", "1")
    refused = _supervised(tmp_path)[-1]
    assert isinstance(refused, Failed) and "invalid partition" in refused.sentence


def test_a_node_that_dies_is_a_failed_job(
    fake_slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOST", "1")
    monkeypatch.setattr(slurm, "_ASK_SLURM_S", 0.1)
    monkeypatch.setattr(slurm, "_GRACE_S", 0.1)
    (tmp_path / slurm.REQUEST).write_bytes(b"")
    job = slurm.submit(tmp_path, "lost")
    events = list(slurm.follow(tmp_path, job, threading.Event()))
    assert len(events) == 1 and isinstance(events[0], Failed) and "resumed" in events[0].sentence


def test_cancelling_reaches_the_node(fake_slurm: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    seen: list[Event] = []
    place = Launcher(slurm=True).place(tmp_path, "long")
    request = JobRequest(job="rehearsal", arguments={"steps": 100_000, "pause_s": 0.05})
    supervise(
        request, emit=seen.append, grace_s=60, place=place,
        cancelled=lambda: any(isinstance(event, Progress) for event in seen) or time.monotonic() - began > 120,
    )  # fmt: skip
    assert isinstance(seen[-1], CancelledByUser)
    pid = (fake_slurm / "pid").read_text()
    while Path(f"/proc/{pid}").exists() and time.monotonic() - began < 120:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
