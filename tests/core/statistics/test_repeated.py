"""Means of areas over several trainings: one run is one model, and references that are not this code."""

from __future__ import annotations

import numpy as np
import pytest

from core.statistics.auroc import auroc, compare_aurocs
from core.statistics.multiclass import compare_multiclass, multiclass_auroc
from core.statistics.repeated import (
    compare_mean_auroc,
    compare_mean_multiclass,
    mean_auroc,
    mean_multiclass_auroc,
)

NAMES = ("a", "b", "c")


def data(runs: int = 3, n: int = 90, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    label = np.arange(n) // 2 % 3
    shared = random.normal(size=(n, 3)) + np.eye(3)[label]
    raw = np.exp(shared[None] + 0.3 * random.normal(size=(runs, n, 3)))
    return label, raw / raw.sum(axis=2, keepdims=True), [f"p{i // 2}" for i in range(n)]


def test_one_run_is_one_model() -> None:
    label, scores, patients = data(1)
    assert mean_auroc(label == 1, scores[:, :, 1], patients) == auroc(label == 1, scores[0, :, 1], patients)
    one, two = (
        mean_multiclass_auroc(label, scores, NAMES, patients),
        multiclass_auroc(label, scores[0], NAMES, patients),
    )
    assert one.mean.value == pytest.approx(two.mean.value)
    assert one.mean.low == pytest.approx(two.mean.low)
    assert one.per_class == two.per_class


def test_equal_runs_give_the_interval_of_one() -> None:
    label, scores, patients = data(1)
    thrice = np.repeat(scores, 3, axis=0)
    one, three = (mean_multiclass_auroc(label, s, NAMES, patients).mean for s in (scores, thrice))
    assert three.value == pytest.approx(one.value)
    assert (three.low, three.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_the_value_is_the_mean_of_scikit_learns_areas() -> None:
    from sklearn.metrics import roc_auc_score

    label, scores, patients = data()
    expected = np.mean([roc_auc_score(label, run, multi_class="ovr", average="weighted") for run in scores])
    assert mean_multiclass_auroc(label, scores, NAMES, patients).mean.value == pytest.approx(expected)
    single = np.mean([roc_auc_score(label == 2, run[:, 2]) for run in scores])
    assert mean_auroc(label == 2, scores[:, :, 2], patients).value == pytest.approx(single)


def test_the_variance_of_a_mean_agrees_with_the_jackknife_over_patients() -> None:
    from sklearn.metrics import roc_auc_score

    label, scores, patients = data(n=240)
    whole = compare_mean_auroc(label == 0, scores[:, :, 0], scores[:, :, 1] * 0 + 0.5, patients).difference
    names = sorted(set(patients))
    left = []
    for name in names:
        kept = np.array([p != name for p in patients])
        left.append(np.mean([roc_auc_score(label[kept] == 0, run[kept, 0]) for run in scores]))
    error = np.sqrt((len(names) - 1) * np.var(left))
    assert whole.low is not None
    assert whole.value is not None
    assert (whole.value - whole.low) / 1.96 == pytest.approx(error, rel=0.05)


def test_comparing_one_run_each_is_the_paired_delong_test() -> None:
    label, scores, patients = data(2)
    first, second = scores[:1], scores[1:]
    assert compare_mean_auroc(label == 0, first[:, :, 0], second[:, :, 0], patients).p_value == pytest.approx(
        compare_aurocs(label == 0, first[0, :, 0], second[0, :, 0], patients).p_value
    )
    mine = compare_mean_multiclass(label, first, second, NAMES, patients)
    theirs = compare_multiclass(label, first[0], second[0], NAMES, patients)
    assert mine.p_value == pytest.approx(theirs.p_value)


def test_a_method_does_not_differ_from_itself() -> None:
    label, scores, patients = data()
    found = compare_mean_multiclass(label, scores, scores, NAMES, patients)
    assert (found.difference.value, found.difference.low, found.p_value) == (0.0, 0.0, 1.0)


def test_absent_and_single_classes_are_undefined() -> None:
    label, scores, patients = data()
    assert mean_auroc(np.zeros(90), scores[:, :, 0], patients).value is None
    assert mean_multiclass_auroc(np.zeros(90, np.int64), scores, NAMES, patients).mean.value is None
    two = mean_multiclass_auroc(label % 2, scores, NAMES, patients)
    assert two.mean.value is not None
    assert two.mean.undefined == 1
    with pytest.raises(ValueError, match="cannot be paired"):
        compare_mean_multiclass(label, scores, scores[:2], NAMES, patients)
