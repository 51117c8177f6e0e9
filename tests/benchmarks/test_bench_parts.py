from __future__ import annotations

import pytest

from core.data.roi_set import InputTransform
from tests.benchmarks import bench_parts, bench_stages
from tests.benchmarks.bench_projection import noise_rois


def test_the_stages_are_measured_and_end_in_the_same_patches() -> None:
    rois = noise_rois(12, InputTransform(input_size=32))
    found = bench_stages.measure(rois, bench_stages.network_of("compact", 32), epochs=1)
    assert found.equal and found.objective <= found.objective_of_epochs
    assert "the same patches" in bench_stages.lines(found)


@pytest.mark.benchmark
def test_the_window_is_painted_before_torch_is_loaded() -> None:
    assert bench_parts.window_up(times=1)[2] is False
