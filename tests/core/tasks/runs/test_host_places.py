"""Runs that are left on a pool of hosts: where each goes, and what becomes of a host that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.domain.errors import MarginaliaError, TrainingError
from core.domain.events import Event, Message, Succeeded, never
from core.domain.messages import verbatim
from core.domain.study import Run
from core.jobs.catalogue import JobRequest
from core.jobs.hosts import Hosts, RemoteHost
from core.jobs.launcher_profiles import HostPool, LauncherProfiles
from core.jobs.machine_report import GraphicsCard, MachineReport
from core.jobs.run_records import LEFT
from core.store.study import Study
from core.tasks.runs import dispatch, host_places, lifecycle
from core.tasks.runs.configure import configure
from core.tasks.runs.dispatch import Told, leave_runs
from core.tasks.runs.host_places import HostPlaces
from tests.core.store.helpers import add_case

_CARD = GraphicsCard(name="card", memory_bytes=1)
_REPORT = MachineReport(node="", code_version="", torch="", cores=1, memory_bytes=None, cards=(), free_bytes=0)
BUSY = {"graphics card 0": "ann since now"}
REPORTS = {
    "two-cards": msgspec.structs.replace(_REPORT, cards=(_CARD, _CARD), busy=BUSY),
    "processor": _REPORT,
    "gone": TrainingError(verbatim("gone cannot be reached.")),
}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    def check(name: str, **_: object) -> MachineReport:
        found = REPORTS[name]
        if isinstance(found, MarginaliaError):
            raise found
        return found

    monkeypatch.setattr(host_places, "check_host", check)
    monkeypatch.setattr(Hosts, "usable", lambda self, name: name)
    return []


def test_the_next_run_goes_where_most_is_free_and_a_host_that_fails_is_left_out(said: list[Event]) -> None:
    places = HostPlaces(list(REPORTS), emit=said.append, cancelled=never)
    assert said == [Message(level="warning", text=verbatim("gone is left out: gone cannot be reached."))]
    # one of two cards is in use; then both machines are full and fill evenly
    assert [places.take() for _ in range(5)] == ["processor", "two-cards", "two-cards", "processor", "two-cards"]
    assert places.take("two-cards") == "two-cards" and places.take("gone") in ("processor", "two-cards")
    places.leave_out("processor", TrainingError(verbatim("no space.")))
    assert places.take() == "two-cards"
    places.leave_out("two-cards", TrainingError(verbatim("no space.")))
    with pytest.raises(TrainingError, match="No host of the launcher can be used"):
        places.take()
    with pytest.raises(TrainingError, match="No host of the launcher can be used"):
        HostPlaces(["gone"], emit=said.append, cancelled=never)


@pytest.fixture
def runs(tmp_path: Path, said: list[Event], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Study, list[Run]]]:
    monkeypatch.setenv("MARGINALIA_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(lifecycle, "build_roi_set", lambda *_, **__: None)
    for name in REPORTS:
        Hosts().put(RemoteHost(name=name, address=name, program="x"))
    LauncherProfiles().put(HostPool(name="lab", hosts=tuple(REPORTS)))
    with Study.create(tmp_path / "study", name="test") as study:
        add_case(study, 1, pixels=False)
        config = configure("compact", label="margin", seed=1, changes=())
        yield study, [lifecycle.plan_run(study, config, {}, name=name) for name in "abc"]


def test_runs_are_left_on_the_hosts_of_a_pool_once_each(
    runs: tuple[Study, list[Run]], said: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, planned = runs
    begun: list[tuple[str, str]] = []

    def supervise(job: JobRequest, **_: object) -> Event:
        folder, host = Path(str(job.arguments["folder"])), str(job.arguments["host"])
        begun.append((folder.name, host))
        (folder / LEFT).write_text("{}")
        return Succeeded(result={})

    monkeypatch.setattr(dispatch, "supervise", supervise)
    told = Told(emit=said.append, cancelled=never)
    left = leave_runs(study, planned, "lab", told)
    assert [(one.run, one.job) for one in left] == [("a", "processor"), ("b", "two-cards"), ("c", "two-cards")]
    assert [name for name, _ in begun] == [run.id for run in planned] and [host for _, host in begun] == [
        one.job for one in left
    ]
    again = leave_runs(study, [study.runs.get(run.id) for run in planned], "lab", told)
    assert again == left and len(begun) == 3
