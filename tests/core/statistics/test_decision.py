from __future__ import annotations

import numpy as np
import pytest

from core.statistics.bootstrap import resample
from core.statistics.decision import BIOPSY_THRESHOLD, decision_curve, net_benefit

Y = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=bool)
P = np.array([0.9, 0.3, 0.6, 0.25, 0.1, 0.1, 0.05, 0.01, 0.01, 0.01])


def test_net_benefit_is_the_hand_computed_one() -> None:
    # at 0.2: 2 true and 2 false positives of 10, odds 1/4; at 0.5: 1 and 1, odds 1
    assert net_benefit(Y, P, [0.2, 0.5]) == pytest.approx([0.2 - 0.2 / 4, 0.1 - 0.1])


def test_biopsying_all_has_prevalence_minus_the_odds_of_the_rest() -> None:
    found = decision_curve(Y, P, resample(None, 10, draws=50), [BIOPSY_THRESHOLD])[0]
    everybody = 0.2 - 0.8 * 0.02 / 0.98
    assert found.biopsy_all.value == pytest.approx(everybody)
    assert found.model.value == pytest.approx(0.2 - 0.5 * 0.02 / 0.98)  # 5 of the 8 healthy lie above 2%
    assert found.gain.value == pytest.approx(0.3 * 0.02 / 0.98)


def test_gain_is_taken_over_nobody_where_biopsying_all_does_harm() -> None:
    found = decision_curve(Y, P, resample(np.arange(10) // 2, 10, draws=50), [0.5])[0]
    assert found.biopsy_all.value is not None and found.biopsy_all.value < 0
    assert found.gain.value == pytest.approx(0.0)
    assert found.model.clusters == 5


def test_threshold_itself_leads_to_a_biopsy() -> None:
    assert net_benefit([1, 0], [0.02, 0.0], [0.02]) == pytest.approx([0.5])


def test_thresholds_of_zero_and_one_are_refused() -> None:
    with pytest.raises(ValueError, match="thresholds"):
        net_benefit(Y, P, [1.0])
    with pytest.raises(ValueError, match="do not match"):
        net_benefit(Y, P[:3], [0.1])
