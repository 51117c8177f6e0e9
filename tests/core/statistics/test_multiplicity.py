from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from core.statistics.multiplicity import holm


def test_adjusted_values_are_those_of_statsmodels() -> None:
    p = np.random.default_rng(0).random(12) ** 3
    assert holm(list(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_undefined_tests_stay_undefined_and_do_not_count() -> None:
    assert holm([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert holm([]) == [] and holm([None]) == [None]


def test_values_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([1.2])
