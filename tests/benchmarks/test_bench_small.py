from __future__ import annotations

import pytest

from tests.benchmarks import bench_frozen, bench_growth
from tests.benchmarks.bench_prune import measure
from tests.core.training.tiny import CONFIG, changed


def test_the_benchmark_of_the_frozen_preset_runs() -> None:
    found = bench_frozen.measure(
        30, changed(bench_frozen.configuration(), architecture=CONFIG.architecture, transform=CONFIG.transform,
                    epochs=CONFIG.epochs, cached_augmentations=1, batch_lesion=6, batch_fine=2),
    )  # fmt: skip
    assert found["rois"] == 30 and found["training"] == 21
    assert {"A2", "A3", "joint"} & set(found["stages_s"])  # type: ignore[call-overload]


def test_the_benchmark_of_growth_fits_exponents() -> None:
    assert bench_growth.exponent([10, 100, 1000], [2.0, 20.0, 200.0]) == pytest.approx(1)
    assert bench_growth.exponent([10, 100], [3.0, 300.0]) == pytest.approx(2)
    found = bench_growth.measure((3, 6))
    assert {one.what for one in found} >= {"commit of one more stroke", "check", "database"}
    assert bench_growth.table(found).count("\n") == len(found) + 1


def test_the_benchmark_of_pruning_runs() -> None:
    assert set(measure(rows=90, rounds=1)) == {"out-of-fold", "in-sample"}
