from __future__ import annotations

from tests.benchmarks.bench_bootstrap import main


def test_every_metric_is_timed_in_a_small_form() -> None:
    report = main(images=60, draws=40)
    assert report["patients"] == 30 and report["resamples"] == 40
    parts = report["parts_s"]
    assert isinstance(parts, dict) and len(parts) == 17
