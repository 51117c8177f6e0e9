from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks import bench_screens, bench_while_training


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_the_benchmarks_of_the_screens_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINALIA_SETTINGS", str(tmp_path / "settings.ini"))
    assert set(bench_screens.GOALS) < set(bench_screens.measure(tmp_path / "study", rounds=2))
    assert set(bench_while_training.GOALS) < set(bench_while_training.measure(tmp_path / "study", seconds=1))
