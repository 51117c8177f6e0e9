"""A Slurm and an sshd of this machine, and the program in processes of its own; skipped elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.hosts import Hosts, RemoteHost, confirm
from core.jobs.supervisor import ROOT
from core.store.study import Study
from core.tasks.runs.lifecycle import find_run
from tests.cluster import real_sshd
from tests.cluster.real_slurm import RealSlurm, missing
from tests.cluster.real_sshd import RealSshd
from tests.trained_study import TINY

CHANGES = [part for change in TINY for part in ("--set", change)]
LONG = [*CHANGES, "--set", "epochs.joint=400"]
"""A training that does not end by itself within a test."""


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[RealSlurm]:
    if why := missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # sockets need short paths
        cluster = RealSlurm(folder=Path(folder))
        try:
            cluster.start()
            for name, value in cluster.environment.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("OMP_NUM_THREADS", "1")
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def sshd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RealSshd]:
    """A machine with the names direct, gpu1, gpu2, frozen, stranger and keyless, each set up and confirmed."""
    if why := real_sshd.missing():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder:
        server = RealSshd(folder=Path(folder))
        try:
            server.start()
            monkeypatch.setenv("PATH", server.path)
            monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
            monkeypatch.setenv("OMP_NUM_THREADS", "1")
            hosts = Hosts()
            for name in ("direct", "gpu1", "gpu2", "frozen", "stranger", "keyless"):
                runs = str(server.folder / f"runs-{'gpu' if name == 'frozen' else name}")
                made = RemoteHost(name=name, address=name, program=str(ROOT), python=sys.executable, folder=runs)
                hosts.put(confirm(made))
            yield server
        finally:
            server.stop()


class Program:
    """The command line in processes of its own, which a test can kill."""

    def __init__(self) -> None:
        self.begun: list[subprocess.Popen[str]] = []

    def begin(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "main.py"), *map(str, words)], stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, **environment},
            start_new_session=True,
        )  # fmt: skip
        self.begun.append(process)
        return process

    def __call__(self, *words: object, code: int | None = 0, **environment: str) -> str:
        """What the command prints; it must end with ``code`` (None: any)."""
        process = self.begin(*words, **environment)
        said, _ = process.communicate(timeout=900)
        assert code is None or process.returncode == code, said
        return said

    def end(self) -> None:
        for process in self.begun:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def program() -> Iterator[Program]:
    made = Program()
    yield made
    made.end()


@pytest.fixture(scope="session")
def local_folds(trained_study: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """The weights of the three folds of a training on this machine, by fold."""
    study = tmp_path_factory.mktemp("local") / "study"
    shutil.copytree(trained_study, study)
    program = Program()
    try:
        program("train", study, "--folds", "3", "--name", "here", "--quiet", *CHANGES, OMP_NUM_THREADS="1")
    finally:
        program.end()
    return {fold: weights(study, f"here-fold{fold}") for fold in (1, 2, 3)}


def weights(study: Path, name: str) -> str:
    """The name of the file of a run's weights, which is their hash."""
    with Study.open(study, writable=False) as opened:
        folder = opened.run_folder(find_run(opened, name).id) / "model"
    (found,) = folder.glob("model-*.safetensors")
    return found.name


def status(study: Path, name: str) -> str:
    with Study.open(study, writable=False) as opened:
        return find_run(opened, name).status.value


def wait_until(ready: Callable[[], object], seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not come to this"
        time.sleep(0.2)
