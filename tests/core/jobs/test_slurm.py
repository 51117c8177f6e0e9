"""Jobs in a queue, with a Slurm of three small scripts; tests/cluster does it with the real one."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import MarginaliaError, StudyError
from core.domain.events import CancelledByUser, Event, Failed, Message, Progress, Started, Succeeded
from core.domain.study import RunStatus
from core.jobs.catalogue import JobRequest
from core.jobs.detached import STOP, ask_to_stop
from core.jobs.run_records import delete_run, find_run
from core.jobs.slurm import commands, follower
from core.jobs.slurm.commands import QueueState, SlurmError
from core.jobs.slurm.follower import SlurmFollower
from core.jobs.slurm.options import SlurmOptions
from core.jobs.slurm.poller import Poller
from core.jobs.slurm.standing import in_queue, number_of
from core.jobs.slurm.submission import RECORD, SlurmTask, Submission, output_pattern, read_submission, submit
from core.jobs.slurm.words import ended_words
from core.platform.allocation import allotted_cores, allotted_memory, job_number, keep_to_allocation
from core.store.study import Study
from tests.core.jobs.fake_slurm import path_with, put_fake_slurm


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = put_fake_slurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", path_with(folder))
    monkeypatch.setattr(follower, "_TICK_S", 0.05)
    return folder


def _hand_in(folder: Path, **arguments: object) -> str:
    folder.mkdir(exist_ok=True)
    request = JobRequest(job="rehearsal", arguments=arguments)
    (made,) = submit([SlurmTask(home=folder, folder=folder, request=request)], SlurmOptions(), title="a b/c")
    return made.job


def _followed(folder: Path, **how: object) -> list[Event]:
    seen: list[Event] = []
    follow = SlurmFollower({"x": number_of(folder)}, lambda key, event: seen.append(event), Poller(every_s=0.1))
    ((_, final),) = follow.ends(**how)  # type: ignore[arg-type]
    return [*seen, final]


def test_a_job_is_left_and_followed_again_from_its_first_event(slurm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "100% %j"
    job = _hand_in(folder, steps=3)
    left = SlurmFollower({"x": number_of(folder)}, lambda key, event: None, Poller(every_s=0.1))
    assert list(left.ends(left=lambda: True)) == []
    for _ in range(2):  # and again after its end
        seen = _followed(folder)
        assert isinstance(seen[-1], Succeeded) and any(isinstance(event, Started) for event in seen)
    (asked,) = [json.loads(line) for line in (slurm / "asked.jsonl").read_text().splitlines()]
    assert any(word.startswith("--job-name=marginalia-a-b-c-") for word in asked)
    assert output_pattern(folder / "x").endswith("100%% %%j/x")
    known = read_submission(folder)
    assert known is not None and known.job == job and not in_queue([folder])


def test_one_that_runs_is_stopped_and_one_that_waits_is_taken_out(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _hand_in(tmp_path / "runs", steps=100_000, pause_s=0.05)
    began: list[Event] = []

    def begun() -> bool:
        return (tmp_path / "runs" / "events.jsonl").exists()

    assert isinstance(_followed(tmp_path / "runs", cancelled=begun)[-1], CancelledByUser) and not began
    monkeypatch.setenv("WAITS", "1")
    job = _hand_in(tmp_path / "waits")
    assert in_queue([tmp_path / "waits", tmp_path]) == {tmp_path / "waits"}
    seen = _followed(tmp_path / "waits", cancelled=lambda: True)
    assert isinstance(seen[-1], CancelledByUser)
    _until_gone(job)


def test_a_job_that_ends_without_a_word_is_told_with_what_stands_in_its_log(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOST", "1")
    monkeypatch.setattr(follower, "LATE_S", 0.1)
    job = _hand_in(tmp_path / "lost")
    final = _followed(tmp_path / "lost")[-1]
    assert isinstance(final, Failed)
    assert final.sentence.startswith(
        f"Job {job} ended with an error before it was done. It wrote: no such program. What"
    )


def test_where_slurm_does_not_answer_a_cancelled_job_stops_when_it_begins(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAITS", "1")
    job = _hand_in(tmp_path / "hangs")
    for name in ("squeue", "scancel"):
        (slurm / name).write_text("#!/bin/sh\nexec sleep 100\n")
    monkeypatch.setattr(commands.call, "__kwdefaults__", {"limit_s": 0.2})
    monkeypatch.setattr(follower, "PATIENCE_S", 0.1)
    seen = _followed(tmp_path / "hangs", cancelled=lambda: True)
    assert isinstance(seen[-1], CancelledByUser) and (tmp_path / "hangs" / STOP).exists()
    said = " ".join(event.text for event in seen if isinstance(event, Message))
    assert f"did not confirm that job {job} left its queue" in said and "scancel did not answer" in said
    os.kill(int(job), signal.SIGKILL)


def test_a_job_that_another_program_cancelled_is_cancelled_for_its_follower_too(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAITS", "1")
    monkeypatch.setattr(follower, "LATE_S", 0.1)
    job = _hand_in(tmp_path / "waits")
    ask_to_stop(tmp_path / "waits")
    commands.scancel([job], waiting_only=True)
    assert isinstance(_followed(tmp_path / "waits")[-1], CancelledByUser)


def test_refusals_missing_commands_and_lost_answers(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFUSED", "1")
    with pytest.raises(MarginaliaError, match="specified: nope; Batch job submission failed") as refused:
        _hand_in(tmp_path / "refused")
    assert "\n" not in str(refused.value) and not (tmp_path / "refused" / RECORD).exists()
    monkeypatch.delenv("REFUSED")
    monkeypatch.setattr(commands, "SUBMIT_S", 0.2)
    whole = (slurm / "sbatch").read_text()
    (slurm / "sbatch").write_text("#!/bin/sh\nexec sleep 100\n")
    with pytest.raises(MarginaliaError, match="not known whether Slurm took the job"):
        _hand_in(tmp_path / "silent")
    assert not in_queue([tmp_path / "silent"])  # Slurm has no job of that name
    (slurm / "sbatch").write_text(whole)
    (slurm / "squeue").unlink()
    monkeypatch.setenv("PATH", str(slurm))
    with pytest.raises(SlurmError, match="squeue is not on the PATH"):
        commands.check_present(commands.NEEDED)


def test_a_container_stands_before_the_program_on_the_node(slurm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    options = SlurmOptions(prefix="env 'A B=1'", python="/opt/py thon", program="/opt/marginalia")
    task = SlurmTask(home=folder, folder=folder, request=JobRequest(job="report"))
    submit([task], options, title="x")
    (asked,) = [json.loads(line) for line in (slurm / "asked.jsonl").read_text().splitlines()]
    script = shlex.split(asked[asked.index("--wrap") + 1])
    assert script[:6] == ["exec", "env", "A B=1", "/opt/py thon", "/opt/marginalia/main.py", "job"]
    assert "--chdir=/opt/marginalia" in asked


def test_one_question_for_all_jobs_and_none_too_soon(slurm: Path, tmp_path: Path) -> None:
    poller = Poller(every_s=1000)
    assert poller.state("7") is None
    assert poller.look(["7", "8_1", "8_2"], at_once=True) and not poller.look(["7"])
    assert (slurm / "polls").read_text() == "x"
    state = QueueState(state="TIMEOUT")
    assert "reached its time limit before it was done" in ended_words("8_1", state)


def test_a_job_keeps_to_what_it_was_allotted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    kept: dict[str, str] = {}
    keep_to_allocation(kept)
    assert kept == {} and allotted_cores() is None and allotted_memory() is None and job_number() == ""
    for name, value in {"ARRAY_JOB_ID": "7", "ARRAY_TASK_ID": "3", "JOB_ID": "9", "CPUS_ON_NODE": "8",
                        "CPUS_PER_TASK": "1", "MEM_PER_NODE": "2048"}.items():  # fmt: skip
        monkeypatch.setenv(f"SLURM_{name}", value)
    keep_to_allocation(kept)
    assert kept["OMP_NUM_THREADS"] == "1" and kept["CUDA_VISIBLE_DEVICES"] == "" and job_number() == "7_3"
    assert allotted_memory() == 2 << 30
    given = {"CUDA_VISIBLE_DEVICES": "2"}
    keep_to_allocation(given)
    assert given["CUDA_VISIBLE_DEVICES"] == "2"


def _until_gone(job: str) -> None:
    deadline = time.monotonic() + 60
    while Path(f"/proc/{job}/cmdline").exists() and Path(f"/proc/{job}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_progress_of_a_job_is_seen_while_it_runs(slurm: Path, tmp_path: Path) -> None:
    _hand_in(tmp_path / "steps", steps=2, pause_s=0.6)
    seen = _followed(tmp_path / "steps")
    assert [event.done for event in seen if isinstance(event, Progress)] == [1, 2]


def test_a_run_with_a_job_in_the_queue_is_not_deleted_under_it(own_study: Path) -> None:
    with Study.open(own_study) as study:
        run = find_run(study, "tiny")
        study.runs.update(msgspec.structs.replace(run, status=RunStatus.RUNNING))
        waits = Submission(name="x", job="7", task=None, handed_in_utc="", launcher="slurm", folder=str(own_study))
        (study.run_folder(run.id) / RECORD).write_bytes(msgspec.json.encode(waits))
        with pytest.raises(StudyError, match="stop it first"):
            delete_run(study, find_run(study, "tiny"))
