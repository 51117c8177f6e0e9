"""Jobs and files over an ssh that carries everything out on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import BadFileError, TrainingError
from core.domain.events import CancelledByUser, Event, Failed, Progress, Started, Succeeded, never, silent
from core.domain.messages import message
from core.jobs import host_check, ssh
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import Hosts, RemoteHost, confirm, is_confirmed
from core.jobs.supervisor import ROOT
from tests.core.jobs.fake_ssh import path_with, put_fake_ssh

HOST = RemoteHost(name="gpu", address="me@gpu", program=str(ROOT), python=sys.executable)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = put_fake_ssh(tmp_path / "bin")
    monkeypatch.setenv("PATH", path_with(folder))
    return folder


def _rehearsed(cancelled=never, **arguments: object) -> list[Event]:
    seen: list[Event] = []
    request = JobRequest(job="rehearsal", arguments=arguments)
    ssh.run_there(HOST, request, emit=seen.append, cancelled=cancelled)
    return seen


def test_a_job_goes_over_ssh_and_its_events_come_back(fake: Path) -> None:
    seen = _rehearsed(steps=3)
    assert isinstance(seen[0], Started) and seen[-1] == Succeeded(result={"counted": 3})
    asked = json.loads((fake / "asked.jsonl").read_text().splitlines()[0])
    assert asked[asked.index("--") + 1] == "me@gpu" and "BatchMode=yes" in asked
    assert not any(word.startswith("StrictHostKeyChecking") for word in asked)


def test_a_connection_that_breaks_or_is_refused_is_told_in_a_sentence(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_BREAKS_AT", '"done":2')
    broken = _rehearsed(steps=100_000, pause_s=0.05)[-1]
    assert isinstance(broken, Failed) and "connection to gpu broke" in broken.sentence
    assert "resumed" in broken.sentence
    monkeypatch.setenv("SSH_REFUSES", "1")
    refused = _rehearsed()[-1]
    assert isinstance(refused, Failed) and "Permission denied" in refused.last_words
    with pytest.raises(TrainingError, match=r"gpu cannot be used: it accepts no key .*Permission denied"):
        ssh.ask(HOST, "--in", "x", "--drop")


_ENDLESS = """exec {python} -c 'import sys
line = b"{line}" * 500
while True: sys.std{where}.buffer.write(line)'
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exec sleep 600", "did not answer within"),
        ("sleep 600 & wait", "did not answer within"),
        (_ENDLESS.format(python=sys.executable, line="x" * 50, where="out"), "did not answer within"),
        (_ENDLESS.format(python=sys.executable, line="x" * 50, where="err"), "did not answer within"),
        (
            _ENDLESS.format(
                python=sys.executable,
                line=r"{\"event\":\"message\",\"level\":\"info\",\"text\":\"x\"}\n",
                where="out",
            ),
            "its events have no end",
        ),
    ],
    ids=["silent", "silent with a child", "a line without end", "words without end", "events without end"],
)
def test_a_host_that_is_silent_or_endless_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    put_fake_ssh(tmp_path / "bin")
    (tmp_path / "bin" / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    monkeypatch.setattr(host_check, "ANSWER_S", 0.7)
    monkeypatch.setattr(host_check, "_GRACE_S", 0.1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TrainingError, match=said):
        host_check.check_host(HOST, emit=silent, cancelled=never)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("script", ["exec sleep 600", "exec yes", "exec yes >&2"])
def test_a_host_that_hangs_in_a_transfer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    put_fake_ssh(tmp_path / "bin")
    (tmp_path / "bin" / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    monkeypatch.setattr(ssh, "SILENT_S", 0.5)
    monkeypatch.setattr(ssh, "_LOOK_S", 0.05)
    with pytest.raises(TrainingError, match="did not answer for"):
        ssh.ask(HOST, "--in", "x", "--drop")


def test_cancelling_reaches_the_machine_there(fake: Path) -> None:
    seen: list[Event] = []
    began = time.monotonic()
    request = JobRequest(job="rehearsal", arguments={"steps": 100_000, "pause_s": 0.05})
    ssh.run_there(
        HOST, request, emit=seen.append,
        cancelled=lambda: any(isinstance(event, Progress) for event in seen) or time.monotonic() - began > 60,
    )  # fmt: skip
    assert isinstance(seen[-1], CancelledByUser) and seen[-1].sentence == CancelledByUser().sentence
    with pytest.raises(ProcessLookupError):
        os.kill(int((fake / "pid").read_text()), 0)


def _answering(fake: Path, head: object, body: bytes) -> None:
    """An ssh that answers with this list and these bytes."""
    (fake / "answer").write_bytes(msgspec.json.encode(head) + b"\n" + body)
    (fake / "ssh").write_text(f"#!/bin/sh\ncat {fake / 'answer'}\n")


def test_only_results_are_taken_and_only_as_they_were_sent(fake: Path, tmp_path: Path) -> None:
    home, good = tmp_path / "run", b"{}"
    home.mkdir()
    entry = {"name": "run.json", "size": 2, "sha256": hashlib.sha256(good).hexdigest()}

    def fetched() -> list[str]:
        return ssh.fetch(HOST, home, "--in", "x", "--give", emit=silent, cancelled=never)

    _answering(fake, [entry], good)
    assert fetched() == ["run.json"] and (home / "run.json").read_bytes() == good
    (home / "run.json").unlink()
    for head, body, why in (
        ([{**entry, "name": "../run.json"}], good, "not a result"),
        ([{**entry, "name": "request.json"}], good, "not a result"),
        ([entry, entry], good * 2, "not a result"),
        ([{**entry, "size": 1 << 40}], good, "more than the results"),
        ([entry], b"[]", "was damaged on its way"),
        ([{**entry, "size": 9}], good, "broke while results were fetched"),
        ({"run.json": 2}, good, "did not send back"),
    ):
        _answering(fake, head, body)
        with pytest.raises(TrainingError, match=why):
            fetched()
    assert list(tmp_path.rglob("*.json")) == [] and list(home.iterdir()) == []


def test_what_is_received_is_kept_only_when_it_is_found_good(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise BadFileError(message("{count} bytes", count=len(path.read_bytes())))

    (tmp_path / "in").write_bytes(b"half")
    with (tmp_path / "in").open("rb") as source, pytest.raises(BadFileError, match="4 bytes"):
        ssh.receive(source, tmp_path / "out", refuse)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_host_is_used_only_as_it_was_confirmed(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path / "hosts.json")
    hosts.put(HOST)
    with pytest.raises(TrainingError, match="before you have confirmed it"):
        hosts.usable("gpu")
    hosts.put(confirm(HOST))
    assert hosts.usable("gpu").address == "me@gpu" and hosts.confirmed() == (hosts.get("gpu"),)
    for change in ({"address": "me@elsewhere"}, {"folder": "/tmp"}, {"program": "x"}, {"python": "y"}):
        assert not is_confirmed(msgspec.structs.replace(hosts.get("gpu"), **change))
    with pytest.raises(TrainingError, match="no host named cluster"):
        hosts.usable("cluster")


@pytest.mark.parametrize("address", ["-oProxyCommand=x", "a b", "", "me@-x", "a;b", "$(x)"])
def test_an_address_is_never_an_option_or_a_command(tmp_path: Path, address: str) -> None:
    with pytest.raises(TrainingError, match="address"):
        Hosts(tmp_path / "hosts.json").put(msgspec.structs.replace(HOST, address=address))
