from __future__ import annotations

from tests.benchmarks import bench_frozen
from tests.benchmarks.bench_prune import measure
from tests.core.training.tiny import CONFIG, changed


def test_the_benchmark_of_the_frozen_preset_runs() -> None:
    found = bench_frozen.measure(
        30, changed(bench_frozen.configuration(), architecture=CONFIG.architecture, transform=CONFIG.transform,
                    epochs=CONFIG.epochs, cached_augmentations=1, batch_lesion=6, batch_fine=2),
    )  # fmt: skip
    assert found["rois"] == 30 and found["training"] == 21
    assert {"A2", "A3", "joint"} & set(found["stages_s"])  # type: ignore[call-overload]


def test_the_benchmark_of_pruning_runs() -> None:
    assert set(measure(rows=90, rounds=1)) == {"out-of-fold", "in-sample"}
