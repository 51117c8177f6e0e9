"""Runs as the study records them, whatever becomes of their child process."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.domain.errors import Cancelled, ModelError, StudyError, TrainingError
from core.domain.events import CancelledByUser, Event, Message, Succeeded, never, silent
from core.domain.study import RunStatus
from core.jobs.hosts import Hosts
from core.jobs.slurm import commands
from core.jobs.slurm.options import SlurmOptions
from core.store.study import Study
from core.tasks.runs import lifecycle
from core.tasks.runs.configure import configure
from core.tasks.runs.submitted_runs import hand_in
from core.tasks.runs.training_plan import plan_runs
from tests.core.store.helpers import add_case


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A study with one lesion, whose ROIs are not made."""
    monkeypatch.setattr(lifecycle, "build_roi_set", lambda *_, **__: None)
    with Study.create(tmp_path / "study", name="test") as made:
        add_case(made, 1, pixels=False)
        yield made


def _planned(study: Study) -> lifecycle.Run:
    return lifecycle.plan_run(study, configure("compact", label="margin", seed=1, changes=()), {}, name="x")


def test_a_training_that_is_interrupted_twice_is_not_left_running(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lifecycle, "supervise", interrupted)
    run = _planned(study)
    with pytest.raises(KeyboardInterrupt):
        lifecycle.carry_out(study, run, emit=lambda event: None, cancelled=lambda: False)
    assert lifecycle.find_run(study, "x").status is RunStatus.CANCELLED


def test_a_child_that_says_it_succeeded_and_left_no_model_is_a_failed_run_that_can_be_resumed(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "supervise", lambda *_, **__: Succeeded(result={}))
    run = _planned(study)
    with pytest.raises(ModelError, match=r"model\.json is missing"):
        lifecycle.carry_out(study, run, emit=lambda event: None, cancelled=lambda: False)
    failed = lifecycle.find_run(study, "x")
    assert failed.status is RunStatus.FAILED and not lifecycle.goes_on_or_is_done(failed, study.run_folder(run.id))


def test_the_command_that_goes_on_with_a_run_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    with Study.create(tmp_path / "st udy's $x", name="test") as study:
        run, said = _planned(study), list[Event]()
        with pytest.raises(Cancelled):
            lifecycle.settle(study, run, CancelledByUser(), emit=said.append)
        assert isinstance(said[0], Message)
        words = shlex.split(said[0].text.removeprefix("Go on later with: "))
        assert words == ["marginalia", "train", str(study.folder), "--resume", "x"]


def test_a_run_that_begins_from_another_is_neither_moved_nor_handed_in(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine it would begin from nothing: what it begins from lies here."""
    config = configure("compact", label="margin", seed=1, changes=())
    parent = lifecycle.ParentOfRun(run=_planned(study))
    run = lifecycle.plan_run(study, config, {}, name="update", parent=parent)
    monkeypatch.setattr(Hosts, "usable", lambda *_: None)
    monkeypatch.setattr(commands, "check_present", lambda *_: None)
    lifecycle.move_run(study, parent.run, "gpu")
    for leave in (
        lambda: lifecycle.move_run(study, run, "gpu"),
        lambda: hand_in(study, [run], SlurmOptions(), title="", emit=silent, cancelled=never),
    ):
        with pytest.raises(TrainingError, match="update begins from another run"):
            leave()
    assert lifecycle.find_run(study, "update").status is RunStatus.PLANNED


def test_a_run_is_finished_together_with_its_first_revision(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in between, it would count as finished without a model, and could not be resumed."""
    card = SimpleNamespace(data_fingerprint="0" * 64, prototype_class=(0, 1))
    monkeypatch.setattr(lifecycle, "load_model", lambda folder: SimpleNamespace(card=card))
    monkeypatch.setattr(lifecycle, "supervise", lambda *_, **__: Succeeded(result={}))

    def killed(revision: object) -> None:
        raise SystemExit

    monkeypatch.setattr(study.models, "add", killed)
    run = _planned(study)
    with pytest.raises(SystemExit):
        lifecycle.carry_out(study, run, emit=lambda event: None, cancelled=lambda: False)
    assert lifecycle.find_run(study, "x").status is not RunStatus.FINISHED


def test_a_source_that_does_not_exist_is_named_with_those_that_do(study: Study) -> None:
    config = configure("compact", label="margin", seed=1, changes=())
    with pytest.raises(StudyError, match="no source named nowhere; its sources are: made up"):
        plan_runs(study, config, folds=3, sources=("nowhere",))
