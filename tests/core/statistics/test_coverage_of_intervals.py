"""Simulated coverage; the full form (2,000 draws, every size and area) is marked slow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from core.statistics.auroc import auroc, compare_aurocs
from core.statistics.estimate import Estimate
from tests.benchmarks.coverage_of_intervals import main, missed, table
from tests.core.statistics.simulate import readings

CASES = [(n, theta) for n in (78, 300) for theta in (0.8, 0.95)]


def covered(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None and estimate.high is not None
    return estimate.low <= truth <= estimate.high


def coverage(n: int, theta: float, draws: int, *, clustered: bool = True, seed: int = 0) -> float:
    rng = np.random.default_rng([seed, n, round(100 * theta)])
    hits = 0
    for _ in range(draws):
        y, s, patients = readings(rng, n, theta)
        hits += covered(auroc(y, s[:, 0], patients if clustered else None), theta)
    return hits / draws


@pytest.mark.parametrize(("n", "theta"), CASES)
def test_clustered_interval_covers_about_95_percent(n: int, theta: float) -> None:
    assert 0.92 <= coverage(n, theta, 400) <= 0.98


def test_plain_interval_covers_too_little_when_images_share_patients() -> None:
    assert coverage(78, 0.95, 400, clustered=False) < 0.93


@pytest.mark.slow
@pytest.mark.parametrize(("n", "theta"), CASES)
def test_clustered_interval_covers_93_to_97_percent(n: int, theta: float) -> None:
    assert 0.93 <= coverage(n, theta, 2000) <= 0.97


def p_values(n: int, theta: float, draws: int) -> np.ndarray:
    rng = np.random.default_rng([1, n, round(100 * theta)])
    found = []
    for _ in range(draws):
        y, s, patients = readings(rng, n, theta, models=2)
        p = compare_aurocs(y, s[:, 0], s[:, 1], patients).p_value
        assert p is not None
        found.append(p)
    return np.array(found)


def test_clustered_paired_test_has_uniform_p_values_under_the_null() -> None:
    p = p_values(300, 0.8, 500)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 <= (p < 0.05).mean() <= 0.075


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "theta", "least"), [(78, 0.8, 0.03), (78, 0.95, 0), (300, 0.8, 0.03), (300, 0.95, 0.03)]
)
def test_clustered_paired_test_keeps_its_level(n: int, theta: float, least: float) -> None:
    # conservative where few pairs are out of order: 1.5% at 78 images and an area of 0.95
    assert least <= (p_values(n, theta, 2000) < 0.05).mean() <= 0.07


def starred_cover_93_to_97_percent(scenario: str, n: int, draws: int, low: float, high: float) -> None:
    rows = main(draws, 1000, only=scenario, sizes=(n,))
    primary = {str(row["interval"]): row["covers"] for row in rows if str(row["interval"]).startswith("*")}
    assert primary and all(low <= float(str(share)) <= high for share in primary.values()), primary


def test_the_table_says_which_intervals_are_primary_and_which_of_them_fail() -> None:
    row = {"scenario": "AUROC", "images": 78, "above": 0.02, "below": 0.08, "undefined": 0}
    good, bad = row | {"interval": "* a", "covers": 0.95}, row | {"interval": "* b", "covers": 0.9}
    other = row | {"interval": "c", "covers": 0.86}
    lines = table([good, bad, other])[2:]
    assert [line.split(" | ")[2:5] for line in lines] == [
        ["a", "primary", "95.0%"], ["b", "primary", "90.0%"], ["c", "reported only", "86.0%"]
    ]  # fmt: skip
    assert missed([good, bad, other]) == ["AUROC, n = 78: * b"]


def test_quick_form_of_the_coverage_report_holds_every_interval_of_three_classes() -> None:
    starred_cover_93_to_97_percent("three classes, AUROC 0.80", 78, 60, 0.85, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("n", [78, 300])
@pytest.mark.parametrize("scenario", ["three classes, AUROC 0.80", "three classes, AUROC 0.95"])
def test_mean_area_kappa_means_and_shares_cover_93_to_97_percent(scenario: str, n: int) -> None:
    starred_cover_93_to_97_percent(scenario, n, 2000, 0.93, 0.97)
