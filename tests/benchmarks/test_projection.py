from __future__ import annotations

import pytest

from tests.benchmarks.bench_projection import measure


@pytest.mark.benchmark
def test_a_projection_takes_at_most_a_tenth_more_than_one_forward_pass() -> None:
    forward, projection = measure()
    assert projection <= 1.1 * forward
