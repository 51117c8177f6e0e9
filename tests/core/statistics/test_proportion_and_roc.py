from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from core.statistics.auroc import auroc
from core.statistics.proportion import proportion
from core.statistics.roc import operating_point, roc_curve


@pytest.mark.parametrize(("hits", "n"), [(0, 12), (3, 20), (20, 20)])
def test_interval_of_independent_images_is_wilsons(hits: int, n: int) -> None:
    found = proportion(np.arange(n) < hits)
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx(proportion_confint(hits, n, method="wilson"))


def test_patients_whose_images_all_agree_count_once() -> None:
    # up to the factor C / (C - 1) of the clustered variance
    once, twice = proportion(np.arange(50) < 20), proportion(np.arange(100) < 40, np.arange(100) // 2)
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high), abs=2e-3)
    none = proportion(np.zeros(10), np.arange(10) // 2)
    assert none.high == pytest.approx(proportion(np.zeros(5)).high)


def test_no_images_and_one_patient_are_said() -> None:
    assert proportion([]).value is None
    one = proportion([True, False], ["p", "p"])
    assert one.value == 0.5 and one.low is None and one.reason


def test_curve_is_that_of_scikit_learn_and_its_area_the_auroc() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(80) < 0.4
    s = rng.integers(0, 20, 80) + 4.0 * y
    mine = roc_curve(y, s)
    fpr, tpr, threshold = metrics.roc_curve(y, s, drop_intermediate=False)
    assert mine.false_positive == pytest.approx(fpr)
    assert mine.true_positive == pytest.approx(tpr)
    assert mine.threshold[1:] == pytest.approx(threshold[1:]) and np.isinf(mine.threshold[0])
    assert np.trapezoid(mine.true_positive, mine.false_positive) == pytest.approx(auroc(y, s).value)
    with pytest.raises(ValueError, match="one class"):
        roc_curve(np.ones(3), np.arange(3.0))


def test_operating_point_counts_each_class_apart() -> None:
    found = operating_point([1, 1, 1, 0, 0], [1, 1, 0, 0, 1], ["a", "a", "b", "c", "d"])
    assert found.sensitivity.value == pytest.approx(2 / 3) and found.sensitivity.clusters == 2
    assert found.specificity.value == 0.5
    assert operating_point([1, 1], [1, 0]).specificity.value is None
