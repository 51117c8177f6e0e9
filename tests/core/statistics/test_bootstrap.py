from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from core.statistics.bootstrap import (
    auroc_draws,
    bootstrap_auroc,
    compare,
    expanded_tail,
    interval,
    mean_draws,
    mean_estimate,
    multiclass_auroc_draws,
    ratio_draws,
    resample,
)


def rows_of(counts: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """The images of one resample, each repeated as often as its patient."""
    return np.repeat(np.arange(len(cluster)), counts[cluster].astype(int))


def test_every_resample_draws_as_many_patients_as_there_are_and_brings_all_their_images() -> None:
    patients = np.array(["b", "a", "b", "c", "a", "b"])
    found = resample(patients, 6, draws=300, seed=1)
    assert found.clusters == 3 and found.cluster.tolist() == [1, 0, 1, 2, 0, 1]
    assert (found.counts.sum(axis=1) == 3).all() and (found.counts == found.counts.round()).all()
    assert found.counts.mean(axis=0) == pytest.approx([1, 1, 1], abs=0.15)
    weights = np.concatenate([w for _, w in found.chunks()])
    assert (weights == found.counts[:, found.cluster]).all()


def test_resamples_depend_on_the_seed_alone() -> None:
    a, b, c = (resample(None, 20, draws=50, seed=s).counts for s in (3, 3, 4))
    assert (a == b).all() and (a != c).any()


def test_auroc_of_every_resample_is_that_of_scikit_learn_on_the_repeated_images() -> None:
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 20, 50)
    y = rng.random(50) < 0.4
    s = rng.integers(0, 15, 50) + 2.0 * y  # with ties
    found = resample(patients, 50, draws=40)
    draws = auroc_draws(y, s, found)
    for counts, value in zip(found.counts, draws, strict=True):
        rows = rows_of(counts, found.cluster)
        assert value == pytest.approx(roc_auc_score(y[rows], s[rows]), abs=1e-12)


def test_resamples_of_one_class_are_undefined_and_counted() -> None:
    y = np.array([True, False, False, False])
    found = resample(None, 4, draws=400)
    draws = auroc_draws(y, np.array([3.0, 1, 2, 0]), found)
    expected = (found.counts[:, 0] == 0) | (found.counts[:, 0] == 4)
    assert (np.isnan(draws) == expected).all()
    estimate = interval(1.0, draws, found)
    assert estimate.undefined == expected.sum() > 0


def test_weighted_mean_of_the_classes_follows_the_resampled_class_sizes() -> None:
    rng = np.random.default_rng(1)
    y = rng.choice(3, 60)
    p = rng.dirichlet(np.ones(3), 60) + 0.3 * np.eye(3)[y]
    p /= p.sum(axis=1, keepdims=True)
    found = resample(np.arange(60) // 2, 60, draws=20)
    each, mean = multiclass_auroc_draws(y, p, found)
    for b, counts in enumerate(found.counts):
        rows = rows_of(counts, found.cluster)
        expected = roc_auc_score(y[rows], p[rows], multi_class="ovr", average="weighted")
        assert mean[b] == pytest.approx(expected, abs=1e-12)
        assert each[b, 1] == pytest.approx(roc_auc_score(y[rows] == 1, p[rows, 1]), abs=1e-12)


def test_ratios_and_means_of_every_resample_are_those_of_the_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    found = resample(rng.integers(0, 8, 30), 30, draws=30)
    v = rng.normal(size=30)
    v[4] = np.nan
    means = mean_draws(v, found)[:, 0]
    top, bottom = rng.random((30, 2)), rng.random(30)
    ratios = ratio_draws(top, bottom, found)
    for b, counts in enumerate(found.counts):
        rows = rows_of(counts, found.cluster)
        assert means[b] == pytest.approx(np.nanmean(v[rows]))
        assert ratios[b] == pytest.approx(top[rows].sum(axis=0) / bottom[rows].sum())


def test_mean_interval_agrees_with_scipys_bootstrap_and_with_student() -> None:
    v = np.random.default_rng(3).gamma(2.0, size=200)
    mine = mean_estimate(v, resample(None, 200, seed=5))
    theirs = stats.bootstrap((v,), np.mean, n_resamples=5000, method="percentile", rng=1).confidence_interval
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)
    student = stats.t.interval(0.95, 199, v.mean(), stats.sem(v))
    assert (mine.low, mine.high) == pytest.approx(student, abs=0.03)


def test_tail_widens_for_few_patients_and_tends_to_the_plain_percentile() -> None:
    assert expanded_tail(10**6) == pytest.approx(0.025, rel=1e-4)
    # 10 patients: z = sqrt(10/9) x 2.262 = 2.385, tail 0.0085 (tables of t and of the normal)
    assert expanded_tail(10) == pytest.approx(0.00855, abs=5e-5)


def test_clustered_interval_is_wider_than_the_plain_one_when_a_patients_images_agree() -> None:
    v = np.repeat(np.random.default_rng(4).normal(size=50), 2)
    plain, clustered = mean_estimate(v, resample(None, 100)), mean_estimate(v, resample(np.arange(100) // 2, 100))
    assert plain.low is not None and plain.high is not None
    assert clustered.low is not None and clustered.high is not None
    assert (clustered.high - clustered.low) / (plain.high - plain.low) == pytest.approx(2**0.5, rel=0.1)
    assert "as in the paper" in plain.method and "patients" in clustered.method
    assert plain.clusters is None and clustered.clusters == 50


def test_one_patient_gives_a_value_without_an_interval() -> None:
    found = mean_estimate(np.array([0.2, 0.4]), resample(["p", "p"], 2, draws=10))
    assert found.value == pytest.approx(0.3) and found.low is None and found.reason == "one patient"


def test_mostly_undefined_statistics_get_no_interval() -> None:
    found = interval(0.5, np.r_[np.full(60, np.nan), np.full(40, 0.5)], resample(None, 9, draws=100))
    assert found.low is None and found.undefined == 60 and "60 of 100" in found.reason


def test_values_without_a_definition_are_left_out_and_counted() -> None:
    found = mean_estimate(np.array([1.0, np.nan, 3.0]), resample(None, 3, draws=100))
    assert found.value == 2 and found.n == 2 and found.undefined == 1
    assert mean_estimate(np.array([1.0, np.nan, 3.0]), resample([5, 6, 7], 3, draws=100)).clusters == 2
    alone = mean_estimate(np.array([1.0, np.nan, 3.0]), resample([5, 6, 5], 3, draws=100))
    assert alone.value == 2 and alone.low is None and alone.reason == "one patient"
    nothing = mean_estimate(np.array([np.nan, np.nan]), resample(None, 2, draws=10))
    assert nothing.value is None and nothing.undefined == 2


def test_comparison_is_paired_on_the_same_resamples() -> None:
    rng = np.random.default_rng(5)
    v = rng.normal(size=80)
    found = resample(None, 80, draws=999)
    a, b = mean_draws(v + 0.1, found)[:, 0], mean_draws(v, found)[:, 0]
    gap = compare((v.mean() + 0.1, a), (v.mean(), b), found)
    assert (gap.difference.low, gap.difference.high) == pytest.approx((0.1, 0.1))
    assert gap.p_value == pytest.approx(2 / 1000)
    assert compare((1.0, b), (1.0, b), found).p_value == 1
    assert compare((None, b), (1.0, b), found).p_value is None


def test_bootstrap_of_the_area_reports_value_and_undefined_class() -> None:
    rng = np.random.default_rng(6)
    y = rng.random(100) < 0.5
    s = rng.normal(size=100) + y
    found = bootstrap_auroc(y, s, resample(np.arange(100) // 2, 100))
    assert found.value == pytest.approx(roc_auc_score(y, s))
    assert found.low is not None and found.value is not None and found.high is not None
    assert found.low < found.value < found.high
    assert bootstrap_auroc(np.ones(3), s[:3], resample(None, 3, draws=5)).value is None
