from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from core.statistics.bootstrap import resample
from core.statistics.calibration import calibration, calibration_draws, fit_line, recalibrated, reliability


def predictions(seed: int, n: int = 200, *, overconfidence: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return rng.random(n) < expit(0.3 + x), expit(overconfidence * x)


def reference(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return np.asarray(
        sm.GLM(y.astype(float), sm.add_constant(logit(p)), family=sm.families.Binomial()).fit().params
    )


def test_slope_and_intercept_are_those_of_statsmodels() -> None:
    y, p = predictions(0)
    found = calibration(y, p, resample(None, 200, draws=50))
    assert (found.intercept.value, found.slope.value) == pytest.approx(tuple(reference(y, p)), abs=1e-7)
    offset = sm.GLM(y.astype(float), np.ones(200), family=sm.families.Binomial(), offset=logit(p)).fit().params[0]
    assert found.in_the_large.value == pytest.approx(offset, abs=1e-7)
    assert found.brier.value == pytest.approx(brier_score_loss(y, p))
    assert found.slope.value is not None and found.slope.value < 1


def test_recalibration_in_the_large_is_that_of_statsmodels() -> None:
    y, p = predictions(6, overconfidence=0.7)
    model = sm.GLM(y.astype(float), np.ones(len(y)), family=sm.families.Binomial(), offset=logit(p))
    assert recalibrated(y, p) == pytest.approx(expit(logit(p) + model.fit().params[0]), abs=1e-7)


def test_every_resample_has_the_line_of_its_repeated_images() -> None:
    y, p = predictions(1, 80)
    found = resample(np.arange(80) // 2, 80, draws=12)
    line, _ = calibration_draws(y, p, found)
    for b, counts in enumerate(found.counts):
        rows = np.repeat(np.arange(80), counts[found.cluster].astype(int))
        assert line[b] == pytest.approx(reference(y[rows], p[rows]), abs=1e-6)


def test_bootstrap_error_of_the_slope_agrees_with_walds() -> None:
    y, p = predictions(2, 600)
    line, _ = calibration_draws(y, p, resample(None, 600, draws=2000))
    wald = sm.GLM(y.astype(float), sm.add_constant(logit(p)), family=sm.families.Binomial()).fit().bse
    assert line.std(axis=0) == pytest.approx(wald, rel=0.12)


def test_predictions_that_separate_the_classes_have_no_slope() -> None:
    y, p = np.arange(20) >= 10, np.linspace(0.01, 0.99, 20)
    found = calibration(y, p, resample(None, 20, draws=40))
    assert found.slope.value is None and "separate" in found.slope.reason
    assert found.in_the_large.value == pytest.approx(0, abs=1e-9)
    assert found.brier.value is not None


def test_one_class_and_constant_predictions_are_undefined() -> None:
    assert np.isnan(fit_line(np.ones(5, dtype=bool), np.full(5, 0.4), np.ones((1, 5)))).all()
    found = calibration(np.arange(6) < 3, np.full(6, 0.5), resample(None, 6, draws=20))
    assert found.slope.value is None and found.in_the_large.value == pytest.approx(0)


def test_certain_predictions_are_moved_off_zero_and_one() -> None:
    y = np.array([True, False, True, False, True, False])
    found = fit_line(y, np.array([1, 0, 0.2, 0.8, 0.6, 0.4]), np.ones((1, 6)))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_reliability_diagram_is_that_of_scikit_learn(strategy: str) -> None:
    y, p = predictions(3)
    bins = reliability(y, p, np.arange(200) // 2, bins=8, strategy=strategy)  # type: ignore[arg-type]
    observed, predicted = calibration_curve(y, p, n_bins=8, strategy=strategy)
    assert [b.predicted for b in bins] == pytest.approx(predicted)
    assert [b.observed.value for b in bins] == pytest.approx(observed)
    assert all(b.observed.low is not None for b in bins)
    assert sum(b.observed.n for b in bins) == 200


def test_values_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        reliability([1, 0], [0.5, 1.2])
    with pytest.raises(ValueError, match="do not match"):
        reliability([1, 0], [0.5])


def test_recalibration_in_the_large_moves_the_mean_to_the_share_and_no_ranking() -> None:
    y, p = predictions(4)
    moved = recalibrated(y, 0.3 * p)
    assert moved.mean() == pytest.approx(y.mean(), abs=1e-9)
    np.testing.assert_array_equal(np.argsort(moved), np.argsort(p))
    gap = logit(moved) - logit(0.3 * p)
    assert np.ptp(gap) == pytest.approx(0, abs=1e-9)
    assert calibration(y, moved, resample(None, 200, draws=50)).in_the_large.value == pytest.approx(0, abs=1e-9)
    assert np.isnan(recalibrated(np.ones(3, bool), np.full(3, 0.4))).all()
