from __future__ import annotations

from tests.benchmarks.bench_prune import measure


def test_the_benchmark_of_pruning_runs() -> None:
    assert set(measure(rows=90, rounds=1)) == {"out-of-fold", "in-sample"}
