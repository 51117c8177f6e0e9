"""Comparators beside the model: against an independent solver, and on pictures whose features are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from core.data.reader_values import CATEGORY, PROBABILITY, category_rank, reader_values
from core.domain.study import Labels
from core.domain.vocabulary import BiradsCategory
from core.evaluation.beside import slug, with_comparators
from core.evaluation.comparators import fit_linear, linear_predictions, pooled_features
from core.evaluation.gradient_features import BLURS
from core.evaluation.hand_features import NAMES, hand_made_features
from core.evaluation.report import evaluate
from core.statistics.auroc import auroc
from core.store.study import Study
from core.training.begin_or_resume import make_network
from tests.core.evaluation.test_report import predictions
from tests.core.store.helpers import add_case
from tests.core.training.tiny import CONFIG, tiny_rois

RANDOM = np.random.default_rng(8)


def test_the_linear_model_is_the_minimum_of_its_own_objective() -> None:
    features = RANDOM.normal(size=(60, 4)) * [1, 10, 0.1, 3]
    label = (features[:, 0] + RANDOM.normal(size=60) > 0).astype(np.int64) + (features[:, 2] > 0.1)
    patients = tuple(f"p{i // 2}" for i in range(60))
    found = fit_linear(features, label, patients, 3)
    x = (features - features.mean(0)) / features.std(0)

    def loss(flat: np.ndarray) -> float:
        w = flat.reshape(3, 5)
        z = x @ w[:, :4].T + w[:, 4]
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        return float(-np.log(p[np.arange(60), label]).mean() + 0.5 * found.ridge * (w[:, :4] ** 2).sum())

    best = minimize(loss, np.zeros(15), method="BFGS", options={"gtol": 1e-7}).fun
    assert loss(found.weights.ravel()) == pytest.approx(best, abs=1e-6)


def test_scale_of_features_and_missing_values_change_nothing_else() -> None:
    features = RANDOM.normal(size=(40, 3))
    label, patients = (features[:, 1] > 0).astype(np.int64), tuple(f"p{i}" for i in range(40))
    one = fit_linear(features, label, patients, 2)
    other = fit_linear(features * [1, 100, 0.01] + [5, 0, 1], label, patients, 2)
    np.testing.assert_allclose(
        one.logits(features), other.logits(features * [1, 100, 0.01] + [5, 0, 1]), atol=1e-3
    )
    asked = features[:1].copy()
    asked[0, 2] = np.nan
    filled = asked.copy()
    filled[0, 2] = features[:, 2].mean()
    np.testing.assert_allclose(one.logits(asked), one.logits(filled))


def _disc(edge: float, spicules: int, *, size: int = 168, radius: float = 28.0) -> tuple[np.ndarray, np.ndarray]:
    """A bright disc with a soft edge and radial spicules, and its mask."""
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    grey = 60 + 120 / (1 + np.exp((r - radius) / edge))
    if spicules:
        ridge = np.cos(angle * spicules) > 0.9
        grey = np.where(ridge & (r > radius) & (r < 1.6 * radius), grey + 50, grey)
    return grey.clip(0, 255).astype(np.uint8), (r <= radius).astype(np.uint8)


def _rois(*pictures: tuple[np.ndarray, np.ndarray]):  # type: ignore[no-untyped-def]
    rois = tiny_rois().rows(range(len(pictures)))
    grey, masks = (np.stack(each) for each in zip(*pictures, strict=True))
    return replace(rois, pixels=grey, lesion=masks, fine=np.zeros_like(masks))


def test_edges_and_spicules_are_measured_as_they_were_drawn() -> None:
    sharp, soft, spiculated = hand_made_features(_rois(_disc(1.0, 0), _disc(7.0, 0), _disc(1.0, 16)))
    at = {name: i for i, name in enumerate(NAMES)}
    assert len(NAMES) == 72
    for blur in BLURS:
        across = at[f"share of gradients across the rays, blur {blur:g}, ring 4"]
        assert spiculated[across] > 0.3 and max(sharp[across], soft[across]) < 0.05, blur
    assert sharp[at["edge slope: mean"]] > 2 * soft[at["edge slope: mean"]]
    assert sharp[at["edge width"]] < soft[at["edge width"]]
    for ring in (1, 2, 3):
        name = at[f"ridges of width 1, ring {ring}"]
        assert spiculated[name] > 5 * max(sharp[name], soft[name], 1e-4), ring
    assert sharp[at["edge distance: mean"]] == pytest.approx(1.0, abs=0.06)
    assert sharp[at["elongation"]] == pytest.approx(1.0, abs=0.05)


def test_hand_made_features_do_not_see_place_or_size() -> None:
    grey, mask = _disc(2.0, 16)
    moved = np.roll(grey, (9, -13), (0, 1)), np.roll(mask, (9, -13), (0, 1))
    here, there = hand_made_features(_rois((grey, mask), moved))
    np.testing.assert_allclose(here, there, atol=0.02)
    larger = hand_made_features(_rois(_disc(2.6, 16, radius=36.4)))[0]
    differs = np.abs(larger - here)
    shape = [i for i, name in enumerate(NAMES) if name != "log area" and "blur" not in name]
    assert differs[shape].max() < 0.05
    assert differs[[i for i, name in enumerate(NAMES) if name.startswith("share")]].max() < 0.1
    assert differs[NAMES.index("log area")] == pytest.approx(2 * np.log(1.3), abs=0.02)


def test_without_an_outline_there_is_no_feature() -> None:
    grey, mask = _disc(2.0, 0)
    assert np.isnan(hand_made_features(_rois((grey, mask * 0)))).all()


def test_pooled_features_are_the_mean_over_the_lesions_cells() -> None:
    rois = tiny_rois()
    network = make_network(CONFIG, fresh=True)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = pooled_features(network, rois)
    assert all((before[name] == tensor).all() for name, tensor in network.state_dict().items())
    everywhere = pooled_features(network, replace(rois, lesion=np.ones_like(rois.lesion)))
    without = pooled_features(network, replace(rois, lesion=np.zeros_like(rois.lesion)))
    np.testing.assert_allclose(everywhere, without, atol=1e-6)
    assert found.shape == everywhere.shape and np.abs(found - everywhere).max() > 1e-3


def test_comparators_learn_on_training_and_stand_beside_the_model() -> None:
    rois = tiny_rois()
    rois = rois.rows(rois.label >= 0)

    def telling(given) -> np.ndarray:  # type: ignore[no-untyped-def]
        return np.eye(3)[given.label] + 0.1

    found = linear_predictions("knows", telling, rois, rois)
    assert (found.predicted == rois.label).all() and found.lesion_ids == rois.lesion_ids
    given = predictions()
    flat = replace(given, logits=np.zeros_like(given.logits), malignancy=np.full(len(given), np.nan))
    reader = RANDOM.random(len(given))
    reader[::3] = np.nan
    report = with_comparators(evaluate(given, draws=100), given, {"Flat": flat}, {"the reader": reader})
    assert report["margin_auroc_flat"].value == pytest.approx(0.5)
    gap = report["margin_auroc_flat_gap"].value
    assert gap is not None and report["margin_auroc"].value == pytest.approx(0.5 + gap)
    known = ~np.isnan(reader)
    patients = tuple(p for p, k in zip(given.patient_ids, known, strict=True) if k)
    expected = auroc(given.malignant[known] == 1, reader[known], patients)
    assert report["malignancy_auroc_the_reader"] == expected
    mine = auroc(given.malignant[known] == 1, given.malignancy[known], patients).value
    assert mine is not None and expected.value is not None
    assert report["malignancy_auroc_the_reader_gap"].value == pytest.approx(mine - expected.value)
    assert slug("72 hand-made features") == "72_hand_made_features"


def test_the_readers_values_are_the_data_sets_or_the_mean_of_the_readers(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ranks = [category_rank(c) for c in ("1", "2", "3", "4a", "4b", "4c", "5")]  # type: ignore[arg-type]
    assert ranks == sorted(r for r in ranks if r is not None)
    assert category_rank(BiradsCategory("4")) == category_rank(BiradsCategory("4b"))
    assert category_rank(BiradsCategory("0")) is None and category_rank(BiradsCategory("6")) is None
    with Study.create(tmp_path / "study", name="test") as study:
        for number in range(3):
            add_case(study, number, pixels=False)
        study.lesions.set_labels("l0", Labels(category=BiradsCategory("5")))
        for name, word in (("A", "2"), ("B", "4a")):
            reader = study.readers.ensure(name).id
            labels = Labels(category=BiradsCategory(word), probability_of_malignancy=0.2 if name == "A" else 0.6)
            study.lesions.set_labels("l1", labels, reader_id=reader)
        found = reader_values(study, ("l1", "l2", "l0"))
    np.testing.assert_allclose(found[CATEGORY], [2.0, np.nan, 7.0])
    np.testing.assert_allclose(found[PROBABILITY], [0.4, np.nan, np.nan])
