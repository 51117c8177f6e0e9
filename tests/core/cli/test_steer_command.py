"""A prototype looks at another place: a new run with its parent named, figures before and after, undo and redo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.domain.errors import StudyError, TrainingError
from core.domain.study import Run as TrainedRun
from core.domain.vocabulary import Part
from core.store.study import Study
from core.tasks.readers.opinions import Mark, mark_prototype, marks_of
from core.tasks.review.model_in_study import ModelInStudy, open_model
from core.tasks.review.prototypes import Pruning
from core.tasks.review.steering_preview import SteeringPreview
from core.tasks.runs.lifecycle import find_run, request_of
from core.tasks.runs.steering import STEERED, plan_steering
from core.training.inference import infer_one
from core.training.steering import SteeredPlace

Run = Callable[..., Any]


def _place(
    opened: ModelInStudy, part: Part = Part.TRAINING, *, number: int = 1, other: bool = False
) -> SteeredPlace:
    """A place in a lesion of the prototype's class (or of another one) that no prototype comes from."""
    card = opened.model.card
    own = card.prototype_class[number - 1]
    taken = {one.lesion_id for one in card.prototypes}
    for row, lesion in enumerate(opened.rois.lesion_ids):
        label = int(opened.rois.label[row])
        fits = label >= 0 and (label != own if other else label == own)
        if fits and opened.parts[row] == part.value and lesion not in taken:
            side = opened.rois.transform.input_size
            at = opened.rois.image_to_input[row].inverse()((0.6 * side, 0.4 * side))
            return SteeredPlace(number=number, lesion_id=lesion, place=at, reason="the spicules")
    raise AssertionError("no such lesion")


def _opened(study: Study, name: str = "tiny") -> tuple[TrainedRun, ModelInStudy]:
    run = find_run(study, name)
    return run, open_model(study, run)


def test_a_steered_run_equals_its_preview_and_names_its_parent(own_study: Path, marginalia: Run) -> None:
    with Study.open(own_study, writable=False) as study:
        run, opened = _opened(study)
        place = _place(opened)
        before = [request_of(study, run).parent, run.name]
    x, y = (str(value) for value in place.place)
    words = ("steer", own_study, "tiny", "1", "--look-at", place.lesion_id, "--place", x, y)
    preview = marginalia(*words)
    made = marginalia(*words, "--reason", "the spicules")
    assert before == ["", "tiny"]
    assert made["run"] == "tiny-steered1"
    assert preview["after"] == made["after"] and preview["before"] != preview["after"]
    assert set(preview["before"]) == {"validation"}, "the test part stays unseen"
    assert preview["differences"]["auroc_mean"]["low"] <= preview["differences"]["auroc_mean"]["high"]
    recorded = made["metrics"]["record"]["validation"]["validation_auroc"]
    assert recorded == pytest.approx(preview["after"]["validation"]["auroc_mean"], abs=1e-6)
    assert made["metrics"]["parent"] == run.id
    change = made["metrics"]["change"]
    for figure, key in (("auroc", "auroc_mean"), ("lesion_precision", "lesion_precision")):
        shown = preview["differences"][key]
        assert shown["low"] <= shown["value"] <= shown["high"]
        if figure == "auroc":
            assert change[figure]["value"] == pytest.approx(shown["value"], abs=1e-6)
    with Study.open(own_study, writable=False) as study:
        steered, now = _opened(study, "tiny-steered1")
        old = opened.model
        source = now.model.card.prototypes[0]
        row = now.rois.lesion_ids.index(place.lesion_id)
        patch = infer_one(now.model.network, now.rois, row).latent[0][:, source.cell[0], source.cell[1]]
        assert source.lesion_id == place.lesion_id
        assert source.patch_box_image.contains(place.place)
        assert np.array_equal(patch.numpy(), now.model.network.prototypes[0].detach().numpy().reshape(-1))
        assert now.model.card.prototypes[1:] == old.card.prototypes[1:]
        for name, tensor in old.network.state_dict().items():
            if name.split(".")[0] in ("features", "addon"):
                assert tensor.equal(now.model.network.state_dict()[name]), name
        assert "prototype 1" in now.model.card.notes["steered"]
        (record,) = study.audit.all_of(STEERED)
        assert record.subject.startswith(f"lesion {place.lesion_id} run {steered.id}")


def test_undo_archives_the_steered_run_and_redo_takes_it_back(own_study: Path, marginalia: Run) -> None:
    with Study.open(own_study) as study:
        run, opened = _opened(study)
        made = plan_steering(study, run, [_place(opened)])
    marginalia("train", own_study, "--resume", made.name)
    assert marginalia("steer", own_study, made.name, "--undo")["run"] == "tiny"
    with Study.open(own_study, writable=False) as study:
        assert [one.name for one in study.runs.all()] == ["tiny"]
    assert marginalia("steer", own_study, "tiny", "--redo")["run"] == made.name
    with Study.open(own_study, writable=False) as study:
        assert {one.name for one in study.runs.all()} == {"tiny", made.name}


def test_what_the_parent_had_pruned_stays_pruned(own_study: Path, marginalia: Run) -> None:
    marginalia("prune", own_study, "tiny", "2", "--reason", "on the nipple")
    with Study.open(own_study) as study:
        run, opened = _opened(study)
        place = _place(opened)
        expected = SteeringPreview(study, opened, Pruning(study, run)).outcome([place])
        with pytest.raises(TrainingError, match="Prototype 2 is pruned"):
            plan_steering(study, run, [_place(opened, number=1), SteeredPlace(**{**_as(place), "number": 2})])
        made = plan_steering(study, run, [place])
    marginalia("train", own_study, "--resume", made.name)
    with Study.open(own_study, writable=False) as study:
        run, _ = _opened(study, made.name)
        assert 1 not in Pruning(study, run).state.kept
        found = Pruning(study, run).outcome({3}).figures_before[Part.VALIDATION]
        assert found.auroc_mean == pytest.approx(expected.outcome.figures_after[Part.VALIDATION].auroc_mean)


def _as(place: SteeredPlace) -> dict[str, Any]:
    return {name: getattr(place, name) for name in place.__struct_fields__}


def test_places_that_cannot_become_a_prototype_are_refused(own_study: Path) -> None:
    with Study.open(own_study) as study:
        run, opened = _opened(study)
        preview = SteeringPreview(study, opened, Pruning(study, run))
        for part in (Part.VALIDATION, Part.TEST):
            with pytest.raises(TrainingError, match="not in the training part"):
                plan_steering(study, run, [_place(opened, part)])
            with pytest.raises(TrainingError, match="not in the training part"):
                preview.outcome([_place(opened, part)])
        with pytest.raises(TrainingError, match="choose a place in a lesion of this class"):
            preview.outcome([_place(opened, other=True)])
        place = _place(opened)
        with pytest.raises(TrainingError, match="outside the part"):
            preview.outcome([SteeredPlace(**{**_as(place), "place": (-5000.0, 3.0)})])
        with pytest.raises(StudyError, match="reason"):
            plan_steering(study, run, [SteeredPlace(**{**_as(place), "reason": " "})])
        assert [one.name for one in study.runs.all()] == ["tiny"]


def test_a_patch_that_was_marked_as_not_relevant_is_refused(own_study: Path) -> None:
    with Study.open(own_study) as study:
        run, opened = _opened(study)
        source = opened.model.card.prototypes[0]
        mark_prototype(study, run, 0, Mark.NOT_RELEVANT)
        place = SteeredPlace(number=1, lesion_id=source.lesion_id, place=source.patch_box_image.centre)
        with pytest.raises(TrainingError, match="marked as not medically relevant"):
            SteeringPreview(study, opened, Pruning(study, run)).outcome([place])


def test_not_this_is_a_mark_that_the_next_training_forgets(own_study: Path, marginalia: Run) -> None:
    marginalia("steer", own_study, "tiny", "2", "--not-this")
    with Study.open(own_study, writable=False) as study:
        assert marks_of(study, find_run(study, "tiny")) == {1: Mark.NOT_RELEVANT}
