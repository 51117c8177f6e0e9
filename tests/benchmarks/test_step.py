"""Run by name: ``pytest -m benchmark tests/benchmarks/test_step.py -s``. Prints ratios, asserts none of them."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks.bench_step import Case, measure


@pytest.mark.benchmark
@pytest.mark.parametrize(
    "case",
    [
        Case(backbone="vgg16", size=224, batch=2, channels=512, bf16=False, rounds=1),
        Case(backbone="vgg16", size=224, batch=2, channels=512, bf16=True, rounds=1),
        Case(backbone="compact", size=112, batch=85, channels=64, bf16=False, rounds=5),
    ],
    ids=str,
)
def test_ratios_of_a_training_step(case: Case) -> None:
    figures = measure(case)
    sys.stdout.write(f"\n{case}\n{figures.lines()}\n")
    assert figures.step > 0
