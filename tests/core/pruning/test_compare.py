"""The calibration slope before and after pruning, against the statistics' own."""

from __future__ import annotations

import pytest
from scipy.special import expit

from core.domain.vocabulary import Part
from core.pruning.compare import DRAWS, differences
from core.pruning.prune import prepare, prune
from core.statistics.bootstrap import resample
from core.statistics.calibration import calibration
from tests.core.pruning.world import random_state, random_table, without_malignancy


def test_the_change_of_the_calibration_slope_is_that_of_the_two_slopes_with_an_interval_around_it() -> None:
    table = random_table()
    outcome = prune(prepare(table), random_state(table), {0, 7})
    rows = table.of_part(Part.VALIDATION)
    known = rows.malignant >= 0
    patients = [p for p, there in zip(rows.patient_ids, known, strict=True) if there]
    slopes = []
    for state in (outcome.before, outcome.after):
        head = state.heads.malignancy
        assert head is not None
        share = expit(state.logits(rows)[known] @ head.weights + head.bias)
        slopes.append(calibration(rows.malignant[known] == 1, share, resample(patients, len(patients), draws=50)))
    figures = outcome.figures_before[Part.VALIDATION], outcome.figures_after[Part.VALIDATION]
    for figure, slope in zip(figures, slopes, strict=True):
        assert figure.calibration_slope == pytest.approx(slope.slope.value)
    found = {d.key: d.comparison for d in differences(outcome, {Part.VALIDATION: rows})}["calibration_slope"]
    change = found.difference
    assert change.value == pytest.approx(slopes[1].slope.value - slopes[0].slope.value)
    assert change.low < change.value < change.high
    assert DRAWS >= 1000


def test_without_a_malignancy_head_there_is_no_slope() -> None:
    table = random_table()
    outcome = prune(prepare(table), without_malignancy(random_state(table)), {0})
    assert outcome.figures_after[Part.TEST].calibration_slope is None
    assert "calibration_slope" not in {d.key for d in differences(outcome, {Part.TEST: table.of_part(Part.TEST)})}
