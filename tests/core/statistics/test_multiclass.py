from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from core.statistics.auroc import auroc
from core.statistics.multiclass import compare_multiclass, multiclass_auroc

NAMES = ("circumscribed", "indistinct", "spiculated")


def predictions(seed: int, n: int = 90, *, strength: float = 1.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities and patients (of two images, which share class and part of the logits)."""
    rng = np.random.default_rng(seed)
    y = np.repeat(rng.choice(3, n // 2, p=[0.5, 0.3, 0.2]), 2)
    own = np.repeat(rng.normal(size=(n // 2, 3)), 2, axis=0)
    logits = strength * np.eye(3)[y] + 0.7 * own + 0.7 * rng.normal(size=(n, 3))
    return y, softmax(logits, axis=1), np.repeat(np.arange(n // 2), 2)


def kernel(x: np.ndarray, y: np.ndarray) -> float:
    """Share of pairs in order, by comparison of every pair."""
    return float(((x[:, None] > y) + 0.5 * (x[:, None] == y)).mean())


def test_mean_is_scikit_learns_one_against_rest_weighted_by_class() -> None:
    y, p, _ = predictions(0)
    found = multiclass_auroc(y, p, NAMES)
    assert found.mean.value == pytest.approx(roc_auc_score(y, p, multi_class="ovr", average="weighted"))
    for k, name in enumerate(NAMES):
        assert found.per_class[name] == auroc(y == k, p[:, k])


@pytest.mark.parametrize("clustered", [True, False])
def test_interval_of_the_mean_agrees_with_the_jackknife_over_its_units(clustered: bool) -> None:
    y, p, patients = predictions(1, 200)
    units = patients if clustered else np.arange(200)
    weight = np.bincount(y) / len(y)

    def mean(keep: np.ndarray) -> float:
        # class sizes are taken as given, so that the weights stay
        return sum(w * kernel(p[keep & (y == k), k], p[keep & (y != k), k]) for k, w in enumerate(weight))

    left_out = np.array([mean(units != u) for u in np.unique(units)])
    count = len(left_out)
    jack = (count - 1) / count * ((left_out - left_out.mean()) ** 2).sum()
    compared = compare_multiclass(y, p, np.zeros_like(p), NAMES, patients if clustered else None)
    assert compared.statistic is not None and compared.difference.value is not None
    assert (compared.difference.value / compared.statistic) ** 2 == pytest.approx(jack, rel=0.03)


def test_two_classes_that_mirror_each_other_have_the_interval_of_either() -> None:
    # two classes: one area is the mirror image of the other, their mean varies as much as each alone
    y, p, patients = predictions(2)
    y = (y > 0).astype(int)
    p = np.stack([p[:, 0], 1 - p[:, 0]], axis=1)
    found = multiclass_auroc(y, p, NAMES[:2], patients)
    alone = found.per_class[NAMES[0]]
    assert (found.mean.value, found.mean.low, found.mean.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )


def test_class_without_images_is_named_and_counted_and_has_no_weight() -> None:
    y, p, patients = predictions(3)
    keep = y != 2
    found = multiclass_auroc(y[keep], p[keep], NAMES, patients[keep])
    assert found.per_class["spiculated"].value is None
    assert "spiculated" in found.per_class["spiculated"].reason
    assert found.mean.undefined == 1 and "spiculated" in found.mean.reason
    weights = np.bincount(y[keep]) / keep.sum()
    expected = sum(weights[k] * roc_auc_score(y[keep] == k, p[keep, k]) for k in range(2))
    assert found.mean.value == pytest.approx(expected)
    assert found.mean.low is not None


def test_one_class_alone_is_undefined() -> None:
    found = multiclass_auroc(np.zeros(4, dtype=int), np.full((4, 3), 1 / 3), NAMES)
    assert found.mean.value is None and found.mean.undefined == 3
    compared = compare_multiclass(np.zeros(4, dtype=int), np.eye(4, 3), np.eye(4, 3), NAMES)
    assert compared.p_value is None and compared.difference.value is None
    assert multiclass_auroc(np.zeros(0, dtype=int), np.zeros((0, 3)), NAMES).mean.reason == "there are no images"


def test_perfect_model_gets_the_weighted_exact_bound() -> None:
    y = np.repeat([0, 1, 2], [10, 6, 4])
    found = multiclass_auroc(y, np.eye(3)[y], NAMES, np.arange(20))
    bounds = [0.05 ** (1 / k) for k in (10, 6, 4)]
    assert found.mean.value == 1 and found.mean.high == 1
    assert found.mean.low == pytest.approx(np.dot([0.5, 0.3, 0.2], bounds))
    assert "one-sided" in found.mean.method


def test_comparison_of_a_model_with_itself_is_exactly_zero_and_with_a_worse_one_is_not() -> None:
    y, p, patients = predictions(4, 300, strength=2.5)
    same = compare_multiclass(y, p, p.copy(), NAMES, patients)
    assert same.difference.value == same.difference.low == same.difference.high == 0 and same.p_value == 1
    noise = softmax(np.random.default_rng(0).normal(size=p.shape), axis=1)
    better = compare_multiclass(y, p, noise, NAMES, patients)
    assert better.p_value is not None and better.p_value < 0.001
    assert better.difference.low is not None and better.difference.low > 0


def test_labels_outside_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="without a class"):
        multiclass_auroc(np.array([0, -1]), np.eye(2, 3), NAMES)
    with pytest.raises(ValueError, match="do not match"):
        multiclass_auroc(np.array([0, 1]), np.eye(2, 2), NAMES)
