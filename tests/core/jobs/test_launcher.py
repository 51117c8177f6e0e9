"""Launchers of this machine, and what their names mean."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from core.domain.errors import MarginaliaError, TrainingError
from core.domain.events import Event, Message, Progress
from core.domain.messages import message
from core.jobs.execution_target import THIS_MACHINE
from core.jobs.launcher import Launcher, launcher_of
from core.jobs.launcher_profiles import LauncherProfiles
from core.jobs.slurm.options import SlurmOptions
from core.tasks.runs.parallel_runs import at_once


def test_launchers_are_read_from_words(tmp_path: Path) -> None:
    profiles = LauncherProfiles(tmp_path / "launchers.json")
    gpus = SlurmOptions(name="gpus", slurm="--gres=gpu:1 --time=12:00:00 -A radiology")
    profiles.put(gpus)
    assert launcher_of("local:3", profiles) == Launcher(at_once=3) and launcher_of("local", profiles) == Launcher()
    assert launcher_of("slurm", profiles) == Launcher(slurm=SlurmOptions())
    assert launcher_of("slurm:8", profiles) == Launcher(slurm=SlurmOptions(at_once=8))
    assert launcher_of("gpus", profiles) == Launcher(slurm=gpus)
    for wrong in ("", "local:0", "lsf", "slurm:x"):
        with pytest.raises(MarginaliaError, match=r"local:N.*gpus"):
            launcher_of(wrong, profiles)


@pytest.mark.parametrize(
    ("slurm", "words"),
    [
        ('--comment="open', "open quotation mark"),
        ("--array=0-3", "is set by this program"),
        ("-o out.txt", "is set by this program"),
        ("rm -rf", "is not an option of sbatch"),
    ],
)
def test_options_that_sbatch_cannot_take_are_refused(tmp_path: Path, slurm: str, words: str) -> None:
    with pytest.raises(MarginaliaError, match=words):
        LauncherProfiles(tmp_path / "launchers.json").put(SlurmOptions(name="x", slurm=slurm))


def test_a_job_goes_on_after_its_time_limit_unless_its_options_say_otherwise() -> None:
    assert SlurmOptions(slurm="-t 60").words() == ["-t", "60", "--signal=B:USR1@120", "--requeue"]
    own = SlurmOptions(slurm="--signal=B:USR1@10 --no-requeue")
    assert own.words() == ["--signal=B:USR1@10", "--no-requeue"]


def test_local_children_divide_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert Launcher(at_once=2).place().environment["OMP_NUM_THREADS"] == "4"
    assert Launcher(at_once=16).place().environment["OMP_NUM_THREADS"] == "1"
    assert Launcher().place() is THIS_MACHINE


def test_jobs_run_two_at_once_and_one_that_fails_stops_no_other() -> None:
    meet = threading.Barrier(2, timeout=30)
    said: list[Event] = []

    def good(emit) -> str:  # type: ignore[no-untyped-def]
        meet.wait()
        emit(Progress(stage="A1", done=1, total=1))
        emit(Message(level="info", text=message("done")))
        return "good"

    def bad(emit) -> str:  # type: ignore[no-untyped-def]
        meet.wait()
        raise TrainingError(message("No memory."))

    with pytest.raises(TrainingError, match=r"^second: No memory\.$"):
        at_once({"first": good, "second": bad}, 2, emit=said.append, cancelled=lambda: False)
    assert said == [
        Progress(stage="first: A1", done=1, total=1),
        Message(level="info", text=message("first: done")),
    ]
