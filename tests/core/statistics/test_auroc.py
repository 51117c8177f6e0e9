from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from core.statistics.auroc import auroc, compare_aurocs, components, spread
from tests.core.statistics.worked import hanley, ovarian

ONE = np.ones(1)


def variance(positive: np.ndarray, scores: np.ndarray, cluster: np.ndarray | None = None) -> float:
    code = np.arange(len(positive)) if cluster is None else cluster
    found = spread(components(positive, scores), code, ONE).variance
    assert found is not None
    return found


def kernel(positive: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(M, N) of 1, 1/2 and 0, by comparison of every pair."""
    x, y = scores[positive][:, None], scores[~positive][None, :]
    return (x > y) + 0.5 * (x == y)


@pytest.mark.parametrize(
    ("test", "area", "error"), [("albumin", 0.7366, 0.0927), ("kg", 0.7258, 0.1028), ("protein", 0.6478, 0.1000)]
)
def test_areas_and_errors_of_the_delong_1988_patients_are_those_printed(
    test: str, area: float, error: float
) -> None:
    y, tests = ovarian()
    assert components(y, tests[test]).auroc[0] == pytest.approx(area, abs=5e-5)
    assert variance(y, tests[test]) ** 0.5 == pytest.approx(error, abs=5e-5)


@pytest.mark.parametrize(
    ("test", "gap", "low", "high", "chi_square", "p"),
    [
        ("albumin", 0.0108, -0.1761, 0.1976, 0.0127, 0.9102),
        ("protein", -0.0780, -0.2830, 0.1271, 0.5554, 0.4561),
    ],
)
def test_paired_tests_of_the_delong_1988_patients_are_those_printed(
    test: str, gap: float, low: float, high: float, chi_square: float, p: float
) -> None:
    y, tests = ovarian()
    found = compare_aurocs(y, tests[test], tests["kg"])
    assert found.difference.value == pytest.approx(gap, abs=5e-5)
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high), abs=5e-5)
    assert found.statistic is not None and found.statistic**2 == pytest.approx(chi_square, abs=5e-5)
    assert found.p_value == pytest.approx(p, abs=5e-5)


def test_hanley_and_mcneils_ratings_give_the_area_error_and_wald_interval_printed_for_them() -> None:
    y, s = hanley()
    area, error = components(y, s).auroc[0], variance(y, s) ** 0.5
    assert area == pytest.approx(0.8932, abs=5e-5)
    assert error == pytest.approx(0.0307, abs=5e-5)
    assert area - 1.959964 * error == pytest.approx(0.83295, abs=5e-6)
    assert area + 1.959964 * error == pytest.approx(0.95339, abs=5e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
def test_area_is_that_of_scikit_learn_ties_included(rows: list[tuple[bool, int]]) -> None:
    y, s = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    if y.all() or not y.any():
        assert auroc(y, s).value is None
    else:
        assert auroc(y, s).value == pytest.approx(roc_auc_score(y, s), abs=1e-12)


def test_variance_is_delongs_sum_over_the_explicit_kernel() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(60) < 0.4
    s = rng.integers(0, 12, 60) + 3.0 * y
    k = kernel(y, s)
    expected = k.mean(1).var(ddof=1) / k.shape[0] + k.mean(0).var(ddof=1) / k.shape[1]
    assert variance(y, s) == pytest.approx(expected, rel=1e-12)


def test_variance_agrees_with_the_two_sample_jackknife() -> None:
    # deleting positive i shifts the area by (A - V10_i)/(M-1): the jackknife is Arvesen's (1969)
    rng = np.random.default_rng(1)
    y = rng.random(80) < 0.5
    s = rng.normal(size=80) + y
    left_out = np.array([roc_auc_score(np.delete(y, i), np.delete(s, i)) for i in range(80)])
    jack = sum(
        (len(group) - 1) / len(group) * ((group - group.mean()) ** 2).sum()
        for group in (left_out[y], left_out[~y])
    )
    assert variance(y, s) == pytest.approx(jack, rel=1e-10)


def test_clustered_variance_is_obuchowskis_formula_by_loops() -> None:
    rng = np.random.default_rng(2)
    cluster = np.sort(rng.integers(0, 25, 70))
    cluster = np.unique(cluster, return_inverse=True)[1]
    y = rng.random(70) < 0.4
    s = rng.normal(size=70) + y + rng.normal(size=25)[cluster]
    k = kernel(y, s)
    theta, (m, n) = k.mean(), k.shape
    x10 = np.zeros(cluster.max() + 1)
    x01 = x10.copy()
    for value, c in zip(k.mean(1) - theta, cluster[y], strict=True):
        x10[c] += value
    for value, c in zip(k.mean(0) - theta, cluster[~y], strict=True):
        x01[c] += value
    i, i10, i01 = len(x10), len(set(cluster[y])), len(set(cluster[~y]))
    s10 = i10 / ((i10 - 1) * m) * (x10**2).sum()
    s01 = i01 / ((i01 - 1) * n) * (x01**2).sum()
    s11 = i / (i - 1) * (x10 * x01).sum()
    assert variance(y, s, cluster) == pytest.approx(s10 / m + s01 / n + 2 * s11 / (m * n), rel=1e-12)


def test_doubling_every_image_within_its_patient_leaves_the_clustered_variance_unchanged() -> None:
    y, tests = ovarian()
    s = tests["albumin"]
    twice = variance(np.repeat(y, 2), np.repeat(s, 2), np.repeat(np.arange(43), 2))
    assert twice == pytest.approx(variance(y, s), rel=1e-12)
    assert variance(np.repeat(y, 2), np.repeat(s, 2)) < 0.6 * variance(y, s)


def test_a_model_against_itself_has_difference_and_variance_exactly_zero() -> None:
    y, tests = ovarian()
    found = compare_aurocs(y, tests["kg"], tests["kg"].copy(), np.arange(43) // 2)
    assert found.difference.value == found.difference.low == found.difference.high == 0
    assert found.p_value == 1


def test_interval_of_a_difference_of_independent_areas_is_made_of_both_intervals() -> None:
    """Newcombe 1998, method 10: by hand from the limits of each, since nothing correlates the two."""
    rng = np.random.default_rng(3)
    y = np.tile([True, False], 60)
    first, second = (rng.normal(size=120) + move * y for move in (2.0, 0.8))
    a, b = auroc(y, first, np.arange(120)), auroc(y, second, np.arange(120))
    found = compare_aurocs(y, first, second, np.arange(120)).difference
    parts = components(y, np.stack([first, second], axis=1))
    alone = [
        spread(parts, np.arange(120), np.array(w)).variance or 0 for w in ([1.0, 0.0], [0.0, 1.0], [1.0, -1.0])
    ]
    r = (alone[0] + alone[1] - alone[2]) / (2 * np.sqrt(alone[0] * alone[1]))
    assert abs(r) < 0.2
    assert None not in (a.value, a.low, a.high, b.value, b.low, b.high, found.value, found.low, found.high)
    down, up = (a.value - a.low, b.high - b.value), (a.high - a.value, b.value - b.low)  # type: ignore[operator]
    expected = [np.sqrt(p**2 + q**2 - 2 * r * p * q) for p, q in (down, up)]
    assert found.value - found.low == pytest.approx(expected[0])  # type: ignore[operator]
    assert found.high - found.value == pytest.approx(expected[1])  # type: ignore[operator]
    # the better model is nearer to 1, so the difference reaches further down than up
    assert expected[0] > expected[1]


def test_a_perfect_model_has_an_interval_beside_one_that_errs() -> None:
    y = np.arange(40) >= 20
    other = np.arange(40.0)
    other[[3, 30]] = other[[30, 3]]
    found = compare_aurocs(y, np.arange(40.0), other, np.arange(40)).difference
    assert found.value is not None and found.low is not None and found.high is not None
    assert -0.2 < found.low < 0 < found.value < found.high < 0.3


def test_swapping_labels_and_scores_mirrors_the_interval() -> None:
    y, tests = ovarian()
    a = auroc(y, tests["kg"], np.arange(43) // 2)
    b = auroc(y, -tests["kg"], np.arange(43) // 2)
    assert a.low is not None and a.high is not None
    assert (b.low, b.high) == pytest.approx((1 - a.high, 1 - a.low))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_strictly_increasing_transforms_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.r_[True, True, False, False, rng.random(30) < 0.5]
    s = rng.integers(-20, 20, len(y)) / 4.0
    c = np.arange(len(y)) // 2
    assert auroc(y, s, c) == auroc(y, np.exp(s), c)


def test_perfect_separation_gets_the_exact_one_sided_bound_and_says_so() -> None:
    y = np.arange(30) >= 20
    found = auroc(y, np.arange(30.0), np.arange(30))
    assert found.value == 1 and found.high == 1
    assert found.low == pytest.approx(0.05 ** (1 / 10))  # ten positives: k of k pairs in order
    assert found.low == pytest.approx(stats.binomtest(10, 10, alternative="greater").proportion_ci(0.95).low)
    assert "one-sided" in found.method and "AUROC is 1" in found.method
    pairs = auroc(y, np.arange(30.0), np.arange(30) // 2)
    assert pairs.low == pytest.approx(0.05 ** (1 / 5))
    wrong = auroc(y, -np.arange(30.0), np.arange(30))
    assert wrong.value == 0 and wrong.low == 0 and wrong.high == pytest.approx(1 - 0.05 ** (1 / 10))


def test_two_perfect_models_are_compared_by_their_bounds() -> None:
    y = np.arange(30) >= 20
    found = compare_aurocs(y, np.arange(30.0), np.arange(30.0) ** 3, np.arange(30))
    assert found.difference.value == 0 and found.p_value == 1
    low = 0.05 ** (1 / 10)
    assert (found.difference.low, found.difference.high) == pytest.approx((low - 1, 1 - low))


def test_one_class_is_undefined_with_its_reason() -> None:
    found = auroc(np.ones(5, dtype=bool), np.arange(5.0))
    assert found.value is None and found.low is None and found.undefined == 1
    assert found.text() == "undefined: only one class is present"
    compared = compare_aurocs(np.zeros(5), np.arange(5.0), np.ones(5))
    assert compared.p_value is None and compared.difference.value is None


def test_a_class_of_one_patient_has_a_value_but_no_interval() -> None:
    y = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    found = auroc(y, np.array([0.9, 0.3, 0.5, 0.1, 0.2, 0.4]), [7, 7, 1, 2, 3, 4])
    assert found.value == pytest.approx(0.75) and found.low is None
    assert "no interval: one patient" in found.text()


def test_constant_scores_have_area_one_half_and_no_interval() -> None:
    found = auroc(np.arange(10) < 4, np.zeros(10))
    assert found.value == 0.5 and found.low is None and "do not vary" in found.reason


def test_nan_scores_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        auroc(np.arange(4) < 2, np.array([0, 1, np.nan, 2]))
    with pytest.raises(ValueError, match="do not match"):
        auroc(np.arange(4) < 2, np.zeros(5))
    with pytest.raises(ValueError, match="cluster identifiers"):
        auroc(np.arange(4) < 2, np.array([0.0, 1, 2, 0.5]), ["a"])
