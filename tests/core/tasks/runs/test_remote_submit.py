"""Training on another machine: `train --on`, over an ssh that carries everything out on this one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from core.cli.main import run_command_line
from core.domain.study import RunStatus
from core.jobs.supervisor import ROOT
from core.store.study import Study
from core.tasks.runs.lifecycle import find_run
from tests.core.jobs.fake_ssh import path_with, put_fake_ssh
from tests.trained_study import TINY

CHANGES = [part for change in TINY for part in ("--set", change)]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine there; its user has set it up and confirmed it."""
    folder = put_fake_ssh(tmp_path / "bin")
    monkeypatch.setenv("PATH", path_with(folder))
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    setup = ["hosts", "add", "gpu", "--address", "me@gpu", "--program", str(ROOT), "--python", sys.executable]
    assert run_command_line(setup) == 0
    return folder


def _weights(study: Path, name: str) -> str:
    with Study.open(study, writable=False) as opened:
        folder = opened.run_folder(find_run(opened, name).id) / "model"
    (found,) = folder.glob("model-*.safetensors")
    return found.name


@pytest.mark.timeout(600)  # four processes that load torch, on a machine that may be busy
def test_a_run_breaks_is_resumed_and_ends_as_it_would_have_here(
    fake: Path, own_study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", str(own_study), "--quiet"]
    start = [*train, "--name", "there", "--on", "gpu", *CHANGES]
    assert run_command_line(start) == 1
    assert "before you have confirmed it" in capsys.readouterr().err
    assert run_command_line(["hosts", "confirm", "gpu", "--yes"]) == 0

    monkeypatch.setenv("SSH_BREAKS_AT", '"stage":"A1"')
    capsys.readouterr()
    assert run_command_line(start) == 1
    said = capsys.readouterr().err
    assert "connection to gpu broke" in said and "resumed" in said
    (kept,) = (fake / "home" / "marginalia-runs").iterdir()
    assert (kept / "state.safetensors").is_file()
    with Study.open(own_study, writable=False) as study:
        run = find_run(study, "there")
        assert run.status is RunStatus.FAILED and kept.name == run.id
        pseudonyms = [patient.pseudonym for patient in study.patients.all()]
        sources = {patient.source for patient in study.patients.all()}
        here = {path.name for path in study.run_folder(run.id).iterdir()}
    crossed = (kept / "sent.h5").read_bytes()
    assert pseudonyms and not any(word.encode() in crossed for word in (*pseudonyms, *sources))
    assert here == {"request.json", "data.json", "log.txt", "attended.lock"}

    monkeypatch.delenv("SSH_BREAKS_AT")
    assert run_command_line([*train, "--resume", "there"]) == 0, capsys.readouterr().err
    assert _weights(own_study, "there") == _weights(own_study, "tiny")
    assert not kept.exists()
