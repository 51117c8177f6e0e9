"""The benchmarks of import and slices run, at a size that says nothing of speed; the full form by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import bench_import, bench_tomosynthesis


@pytest.mark.slow
def test_they_measure_at_a_small_size(tmp_path: Path) -> None:
    found = bench_import.measure(4, tmp_path / "import", rows=200, columns=160)
    assert found["images"] == 4 and found["share_of_bare"] > 0 and found["stored_gb"] > 0
    slices = bench_tomosynthesis.measure(3, tmp_path / "slices", rows=900, columns=700)
    assert slices["frames"] == 3 and slices["study_ms_worst"] > 0


@pytest.mark.benchmark
def test_a_thousand_mammograms_come_in_at_six_tenths_of_the_bare_decoder(tmp_path: Path) -> None:
    found = bench_import.measure(1000, tmp_path)
    assert found["share_of_bare"] >= bench_import.SHARE, found
    assert found["mb_at_the_end"] <= 1.1 * found["mb_at_a_quarter"], found


@pytest.mark.benchmark
def test_a_slice_of_sixty_opens_in_under_300_ms(tmp_path: Path) -> None:
    found = bench_tomosynthesis.measure(60, tmp_path)
    assert max(found["file_ms_worst"], found["study_ms_worst"]) <= bench_tomosynthesis.LIMIT_MS, found
