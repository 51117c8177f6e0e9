"""Other machines through a real sshd: what `hosts test` says, a connection that dies silently, a pool."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import TrainingError
from core.jobs.detached import is_alive
from core.jobs.device_lock import PROCESSOR, busy_devices, one_of
from core.jobs.host_check import check_host
from core.jobs.hosts import Hosts, RemoteHost
from tests.cluster.conftest import CHANGES, LONG, Program, status, wait_until, weights
from tests.cluster.real_sshd import RealSshd

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]


def test_a_machine_reports_itself_or_the_true_cause_of_its_refusal(
    sshd: RealSshd, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(program("hosts", "test", "direct", "--json"))
    assert found["cores"] >= 1 and found["free_bytes"] > 0 and found["torch"] and found["warnings"] == []
    assert "core" in program("hosts", "test", "direct") and "free" in program("hosts", "test", "direct")
    for name, words in (("stranger", "its key is not known here"), ("keyless", "it accepts no key")):
        with pytest.raises(TrainingError, match=words) as refused:
            check_host(Hosts().get(name), emit=lambda event: None, cancelled=lambda: False)
        assert "resumed" not in str(refused.value)
    known = Hosts().get("direct")
    for change, words in (
        ({"program": "/nowhere"}, "has no folder /nowhere"),
        ({"python": "no-python"}, "no-python"),
    ):
        wrong = RemoteHost(**{"name": "x", "address": known.address, "program": known.program} | change)
        with pytest.raises(TrainingError, match=words):
            check_host(wrong, emit=lambda event: None, cancelled=lambda: False)


def test_a_job_whose_connection_died_silently_stops_by_itself_and_goes_on_from_its_checkpoint(
    sshd: RealSshd, program: Program, own_study: Path
) -> None:
    leader = program.begin("train", own_study, "--name", "cut", "--on", "frozen", *LONG)
    there = sshd.folder / "runs-gpu"
    wait_until(lambda: list(there.glob("*/history.json")))
    (folder,) = there.iterdir()
    assert is_alive(folder)
    sshd.freeze()
    wait_until(lambda: not is_alive(folder), seconds=90)
    said, _ = leader.communicate(timeout=600)
    assert leader.returncode == 1 and "connection to frozen broke" in said
    epochs = len(json.loads((folder / "history.json").read_text()))
    assert epochs > 0 and (folder / "state.safetensors").is_file()
    Hosts().put(msgspec.structs.replace(Hosts().get("frozen"), address="direct"))  # by a connection that works
    program("hosts", "confirm", "frozen", "--yes")
    again = program.begin("train", own_study, "--resume", "cut")
    wait_until(lambda: is_alive(folder))
    wait_until(lambda: len(json.loads((folder / "history.json").read_text())) > epochs)
    assert "Nothing of yours runs on frozen" in program("hosts", "stop", "frozen")
    again.communicate(timeout=600)
    assert not is_alive(folder) and status(own_study, "cut") == "cancelled"


def test_folds_are_spread_over_a_pool_and_never_share_a_device(
    sshd: RealSshd,
    program: Program,
    own_study: Path,
    local_folds: dict[int, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program("launchers", "add", "lab", "--hosts", "gpu1", "stranger", "gpu2")
    tested = program("launchers", "test", "lab")
    assert "gpu1: " in tested and "stranger cannot be used" in tested
    monkeypatch.setenv("MARGINALIA_DEVICES", str(sshd.folder / "devices"))
    with one_of([PROCESSOR], emit=lambda event: None, cancelled=lambda: False):  # somebody else trains there
        leader = program.begin(
            "train", own_study, "--folds", "3", "--name", "spread", "--launcher", "lab", *CHANGES
        )
        said = ""
        while "is in use (processor by" not in said:
            assert leader.stdout is not None
            line = leader.stdout.readline()
            assert line, said
            said += line
        assert not list(sshd.folder.glob("runs-gpu*/*/history.json"))
    rest, _ = leader.communicate(timeout=600)
    assert leader.returncode == 0, said + rest
    assert "stranger is left out" in said + rest and not busy_devices([PROCESSOR])
    assert local_folds == {fold: weights(own_study, f"spread-fold{fold}") for fold in (1, 2, 3)}


def test_runs_are_left_on_a_pool_and_followed_again_from_there(
    sshd: RealSshd, program: Program, own_study: Path
) -> None:
    program("launchers", "add", "lab", "--hosts", "gpu1", "stranger", "gpu2")
    left = ("train", own_study, "--seeds", "1", "2", "--name", "left", "--launcher", "lab", "--detach")
    said = program(*left, *CHANGES)
    assert "left-seed1: gpu1" in said and "left-seed2: gpu2" in said and "stranger is left out" in said
    again = program("train", own_study, "--resume", "left", "--launcher", "lab", "--detach")
    assert "left-seed1: gpu1" in again and "left-seed2: gpu2" in again
    folders = [next((sshd.folder / f"runs-{name}").iterdir()) for name in ("gpu1", "gpu2")]
    assert "Trained left-seed1 left-seed2" in program("train", own_study, "--resume", "left")
    assert not any(folder.exists() for folder in folders)
    assert weights(own_study, "left-seed1") == weights(own_study, "tiny")


def test_a_run_is_left_on_its_host_and_brought_home_by_another_program(
    sshd: RealSshd, program: Program, own_study: Path
) -> None:
    said = program("train", own_study, "--name", "left", "--on", "direct", "--detach", *CHANGES)
    assert "left: direct" in said and "--resume left" in said
    there = sshd.folder / "runs-direct"
    (folder,) = there.iterdir()
    assert "left on direct" in program("run", "list", own_study)
    follower = program.begin("train", own_study, "--resume", "left")
    wait_until((folder / "history.json").exists)
    follower.kill()
    follower.wait()
    assert "Trained left" in program("train", own_study, "--resume", "left")
    assert weights(own_study, "left") == weights(own_study, "tiny") and not folder.exists()

    program("train", own_study, "--name", "long", "--on", "direct", "--detach", *LONG)
    (folder,) = there.iterdir()
    wait_until((folder / "history.json").exists)
    assert "long is cancelled" in program("run", "cancel", own_study, "long")
    assert not is_alive(folder) and status(own_study, "long") == "cancelled"
