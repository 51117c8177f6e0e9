"""A run keeps the labels and annotations that it began with; what changed since is counted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load_file

from core.domain.errors import Cancelled, StudyError
from core.domain.events import Event, Metrics, silent
from core.domain.geometry import Box
from core.domain.shapes import Ellipse, Rectangle, Role
from core.domain.study import Labels, Lesion, Run
from core.domain.vocabulary import MarginType
from core.store.study import Study
from core.tasks.runs import lifecycle
from core.tasks.runs.configure import configure
from core.tasks.runs.run_data import FILE, read_snapshot
from core.tasks.runs.train_job import rois_of, train_job
from core.tasks.runs.training_plan import plan_again, plan_runs
from tests.trained_study import TINY


@pytest.fixture
def study(own_study: Path) -> Iterator[Study]:
    with Study.open(own_study) as opened:
        yield opened


def planned(study: Study, name: str) -> Run:
    config = configure("compact", label="margin", seed=1, changes=TINY)
    [run] = plan_runs(study, config, name=name)
    return run


def trained(study: Study, run: Run, *, epochs: int | None = None) -> None:
    """Train in this process; stop after so many epochs with figures."""
    seen: list[Event] = []

    def note(event: Event) -> None:
        if isinstance(event, Metrics):
            seen.append(event)

    _, request = lifecycle.begin_run(study, run, silent, lambda: False)
    train_job(msgspec.to_builtins(request), note, lambda: epochs is not None and len(seen) >= epochs)


def label_three(study: Study, run: Run) -> list[Lesion]:
    """A reader calls one lesion otherwise, draws on another and moves the outline of a third one."""
    snapshot = read_snapshot(study.run_folder(run.id))
    assert snapshot is not None
    training = [
        one for one in snapshot.lesions if lifecycle.request_of(study, run).parts[one.patient_id] == "training"
    ]
    first, second, third = (one.lesion for one in training[:3])
    other = next(m for m in (MarginType.SPICULATED, MarginType.INDISTINCT) if m is not first.labels.margin)
    reader = study.readers.ensure("Dr. New")
    study.lesions.set_labels(first.id, Labels(margin=other), reader_id=reader.id)
    box = second.box
    centre = ((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2)
    circle = Ellipse(centre=centre, radius_x=box.width / 4, radius_y=box.height / 4, role=Role.MARGIN)
    study.annotations.commit(second.id, training[1].reader_id, (circle,))
    moved = Box(x0=third.box.x0 - 9, y0=third.box.y0, x1=third.box.x1, y1=third.box.y1)
    study.lesions.set_outline(third.id, Rectangle(box=moved))
    return [first, second, third]


def weights_of(study: Study, run: Run) -> dict[str, np.ndarray[Any, Any]]:
    [file] = (study.run_folder(run.id) / lifecycle.MODEL).glob("*.safetensors")
    return load_file(file)


def test_a_run_that_was_paused_while_lesions_were_labelled_ends_in_the_weights_of_one_that_was_not(
    study: Study,
) -> None:
    whole, paused = lifecycle.find_run(study, "tiny"), planned(study, "paused")
    assert lifecycle.request_of(study, paused).config == lifecycle.request_of(study, whole).config
    for name in ("config.json", "machine.json"):  # the same number of threads
        shutil.copy(study.run_folder(whole.id) / name, study.run_folder(paused.id) / name)
    with pytest.raises(Cancelled):
        trained(study, paused, epochs=2)
    assert not lifecycle.changes_since_start(study, paused)
    label_three(study, paused)
    changed = lifecycle.changes_since_start(study, paused)
    assert changed.changes.words == "1 label changed, 1 annotation changed, 1 outline changed"
    trained(study, paused)
    weights = [
        load_file(next((study.run_folder(run.id) / lifecycle.MODEL).glob("*.safetensors")))
        for run in (whole, paused)
    ]
    assert weights[0].keys() == weights[1].keys()
    for name in weights[0]:
        assert np.array_equal(weights[0][name], weights[1][name]), name
    anew = plan_again(study, paused)
    lifecycle.begin_run(study, anew, silent, lambda: False)
    fresh, old = (rois_of(lifecycle.request_of(study, run), silent, lambda: False)[0] for run in (anew, paused))
    assert fresh.fingerprint() != old.fingerprint(), "a new run takes the labels as they are now"


def test_a_run_begins_with_the_labels_of_its_start_and_not_of_its_planning(study: Study) -> None:
    run = planned(study, "later")
    assert not (study.run_folder(run.id) / FILE).exists()
    assert not lifecycle.changes_since_start(study, run)


def test_a_lesion_that_was_removed_is_said_before_the_run_goes_on(study: Study) -> None:
    run = planned(study, "removed")
    lifecycle.begin_run(study, run, silent, lambda: False)
    snapshot = read_snapshot(study.run_folder(run.id))
    assert snapshot is not None
    study.lesions.remove(snapshot.lesions[0].lesion.id)
    changed = lifecycle.changes_since_start(study, run)
    assert (changed.changes.removed, changed.missing) == (1, 1)
    with pytest.raises(StudyError, match="1 lesion that the run began with is no longer in the study"):
        lifecycle.begin_run(study, run, silent, lambda: False)
