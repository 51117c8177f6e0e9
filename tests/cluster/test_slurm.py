"""Trainings through a real Slurm: equal to local ones, left alone, followed again, cancelled, lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import CHANGES, LONG, Program, status, wait_until, weights
from tests.cluster.real_slurm import RealSlurm

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]


def _jobs(slurm: RealSlurm) -> list[str]:
    """Jobs that wait or run, as "number state"."""
    return [line.strip() for line in slurm.call("squeue", "-h", "-r", "-o", "%i %T").splitlines()]


def _handed_in(slurm: RealSlurm) -> set[str]:
    """The numbers of all jobs that were ever handed in, array tasks one by one."""
    return set(slurm.call("squeue", "-h", "-r", "--states=all", "-o", "%i").split())


def _events(study: Path) -> list[Path]:
    return list(study.glob("runs/*/events.jsonl"))


def _with_history(study: Path) -> list[Path]:
    """The events of runs that Slurm has trained for an epoch; the study's run of this machine has none."""
    return [path for path in _events(study) if (path.parent / "history.json").is_file()]


def test_three_folds_as_an_array_equal_local_ones_and_survive_the_death_of_who_handed_them_in(
    slurm: RealSlurm, program: Program, own_study: Path, local_folds: dict[int, str]
) -> None:
    slurm.call("scontrol", "update", f"NodeName={os.uname().nodename}", "State=DRAIN", "Reason=test")
    leader = program.begin("train", own_study, "--folds", "3", "--name", "there", "--launcher", "slurm", *CHANGES)
    wait_until(lambda: len(_jobs(slurm)) == 3)
    leader.kill()
    leader.wait()
    listed = program("run", "list", own_study)
    assert "waiting, job" in listed and ("Resources" in listed or "Node" in listed)

    second = program.begin("train", own_study, "--resume", "there")
    wait_until(lambda: "waits" in (second.stdout.readline() if second.stdout else ""))
    slurm.call("scontrol", "update", f"NodeName={os.uname().nodename}", "State=RESUME")
    wait_until(lambda: len(_events(own_study)) > 0)
    second.kill()
    second.wait()
    said = program("train", own_study, "--resume", "there")
    assert "Trained there-fold1 there-fold2 there-fold3" in said
    assert len(_handed_in(slurm)) == 3 and not _jobs(slurm)
    assert local_folds == {fold: weights(own_study, f"there-fold{fold}") for fold in (1, 2, 3)}
    assert not list(own_study.glob("derived/sent-*")), "the regions of interest were left behind"
    assert "in Slurm, ended" in program("run", "show", own_study, "there-fold2")


def test_a_run_is_left_in_the_queue_and_cancelled_by_another_program(
    slurm: RealSlurm, program: Program, own_study: Path
) -> None:
    said = program("train", own_study, "--name", "left", "--launcher", "slurm", "--detach", *LONG)
    assert "left: job 1" in said and "--resume left" in said
    wait_until(lambda: _events(own_study))
    assert "running, job 1" in program("run", "list", own_study)
    assert "left is cancelled" in program("run", "cancel", own_study, "left")
    assert not _jobs(slurm) and status(own_study, "left") == "cancelled"

    follower = program.begin("train", own_study, "--resume", "left")  # the record says where it was trained
    wait_until(lambda: "2 RUNNING" in _jobs(slurm))
    assert "was asked to stop" in program("run", "cancel", own_study, "left")
    said, _ = follower.communicate(timeout=600)
    assert follower.returncode == 130 and status(own_study, "left") == "cancelled" and not _jobs(slurm), said


def test_ctrl_c_takes_a_waiting_job_out_even_where_squeue_hangs(
    slurm: RealSlurm, program: Program, own_study: Path, tmp_path: Path
) -> None:
    slurm.call("scontrol", "update", f"NodeName={os.uname().nodename}", "State=DRAIN", "Reason=test")
    hung = tmp_path / "bin"
    hung.mkdir()
    (hung / "squeue").write_text("#!/bin/sh\nexec sleep 1000\n")
    (hung / "squeue").chmod(0o755)
    leader = program.begin(
        "train", own_study, "--name", "hung", "--launcher", "slurm", *CHANGES, PATH=f"{hung}:{os.environ['PATH']}"
    )
    wait_until(lambda: _jobs(slurm) == ["1 PENDING"])
    os.kill(leader.pid, signal.SIGINT)
    said, _ = leader.communicate(timeout=600)
    assert leader.returncode == 130 and _jobs(slurm) == [], said
    assert "squeue did not answer within 5 seconds" in said


def test_without_squeue_nothing_is_handed_in_and_a_refusal_is_one_sentence(
    slurm: RealSlurm, program: Program, own_study: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "bin"
    alone.mkdir()
    found = shutil.which("sbatch")
    assert found is not None
    (alone / "sbatch").symlink_to(found)
    said = program("train", own_study, "--launcher", "slurm", *CHANGES, code=1, PATH=str(alone))
    assert "squeue, scancel are not on the PATH" in said and "bug" not in said
    said = program("train", own_study, "--launcher", "slurm", *CHANGES, code=1, SBATCH_PARTITION="nope")
    assert "invalid partition specified: nope; Batch job submission failed" in said
    assert not _handed_in(slurm)


def test_scancel_from_outside_and_a_time_limit_that_is_too_short_are_told(
    slurm: RealSlurm, program: Program, own_study: Path
) -> None:
    follower = program.begin("train", own_study, "--name", "outside", "--launcher", "slurm", *LONG)
    wait_until(lambda: _events(own_study))
    slurm.call("scancel", "1")
    said, _ = follower.communicate(timeout=600)
    assert follower.returncode == 1 and status(own_study, "outside") == "failed", said
    assert "Job 1 was cancelled in Slurm (scancel)" in said


def test_a_lost_node_and_a_controller_that_is_away_end_no_run(
    slurm: RealSlurm, program: Program, own_study: Path
) -> None:
    follower = program.begin("train", own_study, "--name", "lost", "--launcher", "slurm", *CHANGES,
                             "--set", "epochs.joint=12")  # fmt: skip
    wait_until(lambda: _with_history(own_study))
    _pull_the_plug(slurm)
    slurm.kill("slurmctld")
    slurm.start_controller()
    slurm.start_node()
    wait_until(lambda: any("PENDING" in line or "RUNNING" in line for line in _jobs(slurm)))
    slurm.call("scontrol", "update", "JobId=1", "StartTime=now")
    said, _ = follower.communicate(timeout=600)
    assert follower.returncode == 0 and status(own_study, "lost") == "finished", said
    assert _handed_in(slurm) == {"1"}


def test_a_controller_that_is_away_for_a_minute_is_told_once_and_ends_no_run(
    slurm: RealSlurm, program: Program, own_study: Path
) -> None:
    follower = program.begin("train", own_study, "--name", "away", "--launcher", "slurm", *CHANGES,
                             "--set", "epochs.joint=12")  # fmt: skip
    wait_until(lambda: _with_history(own_study))
    slurm.kill("slurmctld")
    time.sleep(60)
    slurm.start_controller()
    said, _ = follower.communicate(timeout=600)
    assert follower.returncode == 0 and status(own_study, "away") == "finished", said
    assert said.count("Slurm cannot be asked") <= 1 and _handed_in(slurm) == {"1"}
    wait_until(lambda: not _jobs(slurm), seconds=60)


def test_a_launcher_is_tried_with_what_it_asks_for(
    slurm: RealSlurm, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    program("launchers", "add", "one", "--slurm", "--cpus-per-task=1 --time=5", "--prefix", "env IN_IMAGE=1")
    assert "one works: job 1 ran on" in program("launchers", "test", "one")
    assert json.loads(program("launchers", "test", "one", "--json"))["cores"] == 1
    program("launchers", "add", "many", "--slurm", "--cpus-per-task=99")
    said = program("launchers", "test", "many", "--seconds", "3", code=1)  # Slurm takes it, for a node to come
    assert "did not end within 3 seconds" in said and "ask for what no node has" in said
    assert not _jobs(slurm)


def _pull_the_plug(slurm: RealSlurm) -> None:
    """End slurmd, its steps and their children, as a loss of power does."""
    slurm.kill("slurmd")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _belongs(process, str(slurm.folder)):
            os.kill(int(process.name), signal.SIGKILL)


def _belongs(process: Path, folder: str) -> bool:
    """True for a step of this Slurm, or a job below one."""
    try:
        words = (process / "cmdline").read_bytes().decode("utf-8", "replace")
        variables = (process / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return False
    ours = f"SLURM_CONF={folder}" in variables
    return ours and ("slurmstepd" in words or "SLURM_JOB_ID=" in variables)


@pytest.mark.parametrize("name", ['st udy\'s "q" %j 100% $HOME & %%x'])
def test_paths_that_sbatch_and_shells_would_read_otherwise(
    slurm: RealSlurm, program: Program, own_study: Path, name: str
) -> None:
    study = own_study.with_name(name)
    own_study.rename(study)
    said = program("train", study, "--name", "odd", "--launcher", "slurm", *CHANGES)
    assert status(study, "odd") == "finished", said
    assert weights(study, "odd") == weights(study, "tiny")
    assert not stat.S_ISDIR((study / "study.db").stat().st_mode)


def test_a_job_at_its_time_limit_keeps_its_checkpoint_and_is_queued_again(
    slurm: RealSlurm, program: Program, own_study: Path
) -> None:
    program("launchers", "add", "short", "--slurm", "--time=3 --signal=B:USR1@80 --cpus-per-task=1")
    follower = program.begin("train", own_study, "--name", "again", "--launcher", "short", *LONG)
    wait_until(lambda: "Restarts=1" in slurm.call("scontrol", "show", "job", "1"))
    (folder,) = [path.parent for path in _events(own_study)]
    assert (folder / "state.safetensors").is_file() and b"queued again" in (folder / "events.jsonl").read_bytes()
    epochs = (folder / "history.json").read_bytes().count(b'"stage"')
    assert follower.poll() is None and epochs > 0
    slurm.call("scontrol", "update", "JobId=1", "StartTime=now")
    wait_until(lambda: (folder / "events.jsonl").read_bytes().count(b'"started"') == 2)
    wait_until(lambda: (folder / "history.json").read_bytes().count(b'"stage"') > epochs)
    os.kill(follower.pid, signal.SIGINT)
    said, _ = follower.communicate(timeout=600)
    assert follower.returncode == 130 and not _jobs(slurm) and status(own_study, "again") == "cancelled", said


def test_where_nodes_do_not_see_the_study_files_go_by_a_folder_that_they_see(
    slurm: RealSlurm, program: Program, own_study: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared 100% %j"
    program("launchers", "add", "shared", "--folder", shared, "--slurm", "--hold")
    program("train", own_study, "--name", "far", "--launcher", "shared", "--detach", *CHANGES)
    (request,) = shared.glob("*/*/slurm-request.json")
    assert str(own_study).encode() not in request.read_bytes()
    (pack,) = shared.glob("*/sent-*.h5")
    assert stat.S_IMODE(pack.stat().st_mode) == 0o600 and stat.S_IMODE(pack.parent.stat().st_mode) == 0o700
    slurm.call("scontrol", "release", "1")
    assert "Trained far" in program("train", own_study, "--resume", "far")
    assert weights(own_study, "far") == weights(own_study, "tiny")
    assert not [path for path in shared.rglob("*") if path.is_file()]
