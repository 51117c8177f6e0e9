"""The position-only control against counts by hand, and against a model that looks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.data.roi_set import RoiSet
from core.evaluation.claims import conclusion, localisation_claims
from core.evaluation.judge import drawn_like, scale_precision, scale_precisions
from core.evaluation.localisation import (
    Controls,
    controls_of,
    position_map,
    precision_of_map,
    precision_of_others,
)
from core.evaluation.predictions import Predictions, pooled
from core.evaluation.repeated import Method, summarise_method
from core.evaluation.report import evaluate
from core.evaluation.saved import load_predictions, save_predictions
from core.statistics.activation import activation_precision
from core.statistics.estimate import Estimate
from tests.core.evaluation.test_report import predictions
from tests.core.training.tiny import tiny_rois

RANDOM = np.random.default_rng(3)


def _masks(n: int = 12, size: int = 20) -> np.ndarray:
    masks = np.zeros((n, size, size), np.uint8)
    for i in range(n):
        x, y = RANDOM.integers(0, size - 6, 2)
        masks[i, y : y + 6, x : x + 5] = 1
    masks[2] = 0
    return masks


def test_one_map_on_many_masks_scores_as_the_map_repeated() -> None:
    masks, constant = _masks(), RANDOM.random((20, 20))
    repeated = np.repeat(constant[None], len(masks), axis=0)
    np.testing.assert_allclose(precision_of_map(constant, masks), activation_precision(repeated, masks))


def test_a_patients_own_masks_are_not_in_the_map_of_the_others() -> None:
    masks = _masks()
    patients = tuple(f"p{i // 2}" for i in range(len(masks)))
    found = precision_of_others(masks, patients)
    for row in range(len(masks)):
        others = [i for i in range(len(masks)) if patients[i] != patients[row] and masks[i].any()]
        mean = masks[others].mean(axis=0)
        expected = activation_precision(mean[None], masks[row : row + 1])[0]
        np.testing.assert_allclose(found[row], expected)
    assert np.isnan(precision_of_others(masks[:1], ("p",))).all()


def test_the_position_map_is_the_mean_of_marked_masks() -> None:
    rois = tiny_rois()
    found = position_map(rois, "lesion")
    masks = rois.central(rois.lesion)
    assert found is not None
    np.testing.assert_allclose(found, masks[masks.any(axis=(1, 2))].mean(axis=0))
    none = replace(rois, fine=np.zeros_like(rois.fine))
    assert position_map(none, "fine") is None and position_map(rois.rows([]), "lesion") is None


def _maps(rois: RoiSet, classes: int) -> np.ndarray:
    """A map that is the image's own lesion mask, on the grid of the input, for each of the classes."""
    masks = rois.central(rois.lesion).astype(np.float32)
    return np.repeat(masks[:, None], classes, axis=1)


def test_a_map_that_looks_beats_position_only_where_the_place_changes() -> None:
    rois = tiny_rois()
    rois = rois.rows(rois.label >= 0)
    moved = replace(rois, lesion=np.stack([np.roll(m, 7 * i, axis=1) for i, m in enumerate(rois.lesion)]))
    classes = np.arange(len(rois.class_names))
    controls = controls_of(rois, training_drawn=moved, drawn=moved)
    drawn = drawn_like(rois, controls)
    assert drawn is not None and drawn.lesion_ids == rois.lesion_ids
    placed = (drawn, _maps(drawn, len(classes)))
    found = scale_precisions(rois, _maps(rois, len(classes)), classes, controls, drawn=placed)
    one = found["lesion_drawn"]
    assert one.position is not None and one.position.source == "training"
    alone = one.position.precision[one.pairs.image]
    known = ~np.isnan(one.pairs.value)
    assert (one.pairs.value[known] >= alone[known] - 1e-9).all()
    assert np.nanmean(one.pairs.value - alone) > 0.1


def test_drawn_rois_follow_the_judged_lesions_by_id() -> None:
    rois = tiny_rois()
    backwards = rois.rows(np.arange(len(rois))[::-1])
    found = drawn_like(rois, Controls(drawn=backwards))
    assert found is not None and found.lesion_ids == rois.lesion_ids
    np.testing.assert_array_equal(found.pixels, rois.pixels)


def test_without_training_rois_the_other_patients_stand_in() -> None:
    rois = tiny_rois()
    rois = rois.rows(rois.label >= 0)
    maps, classes = _maps(rois, len(rois.class_names)), np.arange(len(rois.class_names))
    found = scale_precision(rois, maps, classes, "lesion", controls_of(rois.rows([])))
    assert found is not None and found.position is not None and found.position.source == "others"
    without = scale_precision(rois, maps, classes, "lesion")
    assert without is not None and without.position is None


def _with_control(seed: int = 0, prefix: str = "") -> Predictions:
    from core.evaluation.predictions import Position

    given = predictions(seed=seed, prefix=prefix)
    scale = given.scales["lesion"]
    alone = np.random.default_rng(seed + 50).uniform(0.2, 0.4, len(given))
    drawn = replace(scale, position=Position(precision=alone[::-1].copy(), source="training"))
    scales = {
        "lesion": replace(scale, position=Position(precision=alone, source="training")),
        "lesion_drawn": drawn,
    }
    return replace(given, scales=scales)


def test_the_report_pairs_the_model_with_position_only() -> None:
    given = _with_control()
    scale, report = given.scales["lesion"], evaluate(_with_control(), draws=200)
    assert scale.position is not None
    alone = scale.position.precision
    assert report["lesion_position"].value == pytest.approx(alone.mean())
    gap = scale.pairs.value - alone[scale.pairs.image]
    assert report["lesion_over_position"].value == pytest.approx(gap.mean())
    assert report["lesion_over_position"].clusters == 30
    other = scale.pairs.value - alone[::-1][scale.pairs.image]
    assert report["lesion_drawn_over_position"].value == pytest.approx(other.mean())
    figures = summarise_method(Method(name="a", runs=(given, given)), draws=200).estimates
    for key in ("lesion_position", "lesion_over_position", "lesion_drawn_over_position"):
        assert figures[key].value == pytest.approx(report[key].value), key


def test_folds_and_files_keep_the_control(tmp_path) -> None:  # type: ignore[no-untyped-def]
    joined = pooled([_with_control(1, "a"), _with_control(2, "b")])
    save_predictions(tmp_path / "p.json", joined)
    again = load_predictions(tmp_path / "p.json")
    for name in ("lesion", "lesion_drawn"):
        before, after = joined.scales[name].position, again.scales[name].position
        assert before is not None and after is not None and after.source == "training"
        np.testing.assert_array_equal(before.precision, after.precision)
        assert len(after.precision) == len(joined)
    cut = joined.rows(np.arange(len(joined)) % 3 == 0).scales["lesion"].position
    assert cut is not None and before is not None
    np.testing.assert_array_equal(cut.precision, joined.scales["lesion"].position.precision[::3])  # type: ignore[union-attr]


def test_only_an_interval_above_0_is_called_looking() -> None:
    def gap(low: float, high: float) -> Estimate:
        return Estimate(value=(low + high) / 2, low=low, high=high)

    assert "follow the image" in conclusion(gap(0.01, 0.2))
    assert "position alone does better" in conclusion(gap(-0.2, -0.01))
    assert "no difference" in conclusion(gap(-0.1, 0.1))
    assert "nothing is shown" in conclusion(Estimate(value=0.3))
    report = evaluate(_with_control(), draws=200)
    found = localisation_claims({m.key: m.estimate for m in report.metrics if not m.as_in_paper}, "IAIA-BL")
    assert [line.split(":")[0] for line in found] == ["Lesion scale", "Lesion scale, random ROIs"]
