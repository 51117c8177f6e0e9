"""A run on fixed features is updated from the command line: a new run, its parent, the paired change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.domain.errors import TrainingError
from core.store.study import Study
from core.tasks.runs.training_plan import plan_update
from core.training.feature_cache import FILE
from tests.trained_study import TINY

Run = Callable[..., Any]


@pytest.mark.slow
def test_updates_name_their_parent_and_share_its_features(own_study: Path, marginalia: Run) -> None:
    changes = [part for change in (*TINY, "frozen_backbone=true") for part in ("--set", change)]
    marginalia("train", own_study, "--name", "fixed", *changes)
    first = marginalia("train", own_study, "--update", "fixed")["runs"][0]
    second = marginalia("train", own_study, "--update", first["name"])["runs"][0]
    assert (first["name"], second["name"]) == ("fixed-update1", "fixed-update2")
    with Study.open(own_study, writable=False) as study:
        runs = {run.name: run for run in study.runs.all()}
        assert second["metrics"]["parent"] == runs["fixed-update1"].id
        assert (study.run_folder(runs["fixed-update1"].id) / FILE).is_file()
        assert not (study.run_folder(runs["fixed-update2"].id) / FILE).exists()
    change = second["metrics"]["change"]
    assert set(change) == {"auroc", "lesion_precision", "fine_precision"}
    assert change["lesion_precision"]["low"] <= change["lesion_precision"]["value"]


def test_a_run_that_trained_its_trunk_cannot_be_updated(own_study: Path) -> None:
    with Study.open(own_study) as study:
        run = study.runs.find("tiny")
        assert run is not None
        with pytest.raises(TrainingError, match="only runs on fixed features"):
            plan_update(study, run)
