"""Runs as the study records them, whatever becomes of their child process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.domain.errors import ModelError, StudyError
from core.domain.events import Succeeded
from core.domain.study import RunStatus
from core.store.study import Study
from core.tasks.runs import lifecycle
from core.tasks.runs.configure import configure
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
