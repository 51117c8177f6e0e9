from __future__ import annotations

import msgspec
import numpy as np

from core.statistics.agreement import agreement
from core.statistics.auroc import auroc, compare_aurocs
from core.statistics.bootstrap import resample
from core.statistics.calibration import calibration, reliability
from core.statistics.decision import decision_curve
from core.statistics.estimate import Comparison, Estimate
from core.statistics.multiclass import multiclass_auroc
from core.statistics.proportion import proportion


def test_estimates_are_written_the_same_way_everywhere() -> None:
    assert str(Estimate(value=0.951, low=0.905, high=0.9764)) == "0.951 (0.905-0.976)"
    gap = Estimate(value=-0.012, low=-0.03, high=0.006)
    assert gap.text() == "-0.012 (-0.030 to 0.006)"
    assert Comparison(difference=gap, p_value=0.0004).text(2) == "-0.01 (-0.03 to 0.01), p < 0.001"
    assert Comparison(difference=gap, p_value=None).text(2).endswith("p undefined")
    assert Estimate(value=None, reason="no mask").text() == "undefined: no mask"
    assert Estimate(value=0.5, reason="one patient").text() == "0.500 (no interval: one patient)"


def test_results_survive_the_way_through_json() -> None:
    rng = np.random.default_rng(0)
    y, p, patients = rng.random(40) < 0.5, rng.random(40), np.arange(40) // 2
    found = resample(patients, 40, draws=60)
    label = rng.choice(3, 40)
    results = (
        auroc(y, p, patients),
        auroc(y, y * 1.0, patients),
        compare_aurocs(y, p, 1 - p, patients),
        compare_aurocs(y, y * 1.0, y * 2.0, patients),
        multiclass_auroc(label, rng.random((40, 3)), "abc", patients),
        agreement(label, rng.choice(3, 40), "abc", found),
        calibration(y, p, found),
        reliability(y, p, patients, bins=4),
        decision_curve(y, p, found, [0.02]),
        proportion(y, patients),
    )
    for result in results:
        plain = msgspec.to_builtins(result)
        assert msgspec.json.decode(msgspec.json.encode(result)) == msgspec.json.decode(msgspec.json.encode(plain))
    assert msgspec.json.decode(msgspec.json.encode(results[0]), type=Estimate) == results[0]
