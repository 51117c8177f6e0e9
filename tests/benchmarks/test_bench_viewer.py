from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from tests.benchmarks import bench_viewer


def test_the_benchmark_of_the_viewer_runs(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    monkeypatch.setattr(bench_viewer, "ROWS", 900)
    monkeypatch.setattr(bench_viewer, "COLUMNS", 800)
    bench = bench_viewer.Bench(steps=3)
    qtbot.addWidget(bench.view)
    figures = bench.run()
    assert {name.split("|")[0] for name in figures} == set(bench_viewer.GOALS)
    assert all(row["max_ms"] < 2000 for row in figures.values()), "every posted event led to a painting"
